#include <algorithm>
#include <deque>
#include <set>

#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/ecdsa_twin.hpp"
#include "mtls_authz/trust/path_search.hpp"
#include "mtls_authz/trust/signature_cache.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

namespace {

// A revocation by fingerprint applies to a certificate and to its twin.
void note_twin(NearestCa& nearest, const PresentedCertificate& presented, const X509& below, const X509& issuer) {
    std::string twin = ecdsa_twin_sha256(below, issuer);
    if (&below == presented.leaf.get()) nearest.leaf_twin = twin;
    if (!twin.empty()) nearest.above.push_back({std::move(twin), {}});
}

// The certificate chooses how its key is encoded: a revocation by key applies to every encoding. `other_keys`: from
// key_forms().
template <class Keys>
void note_ca(NearestCa& nearest, X509& ca, std::string sha256, const std::string& spki_sha256, const Keys& other_keys) {
    for (const std::string_view key : other_keys) {
        if (key != spki_sha256) nearest.above.push_back({{}, std::string(key)});
    }
    nearest.above.push_back({std::move(sha256), spki_sha256});
    nearest.cas.push_back(share(ca));
}

// Breadth-first search. A signature verifies with one key only, so the issuer's name and key are certain at each step,
// whatever certificates the client sends or omits.
class Climb {
public:
    Climb(const CaDirectory& directory, const PresentedCertificate& presented, std::int64_t now)
        : directory_(directory), presented_(presented), now_(now) {}

    NearestCa run() {
        const CertificateFacts& facts = presented_.facts;
        seen_.insert(facts.sha256);
        std::vector<Below> level = {{presented_.leaf.get(), facts.sha256, &facts.issuer}};
        for (std::size_t depth = 0; depth <= kMostIntermediates && !level.empty(); ++depth) {
            std::vector<Below> above;
            for (const Below& below : level) find_issuers(below, above);
            if (!found_.ca_ids.empty()) return std::move(found_);
            level = std::move(above);
        }
        found_.is_too_deep = !level.empty();
        found_.same_name_other_key = namesakes_.other_key;
        say_what_is_unknown();
        return std::move(found_);
    }

private:
    struct Below {
        const X509* certificate;
        std::string sha256;
        const DistinguishedName* issuer;
    };

    void find_issuers(const Below& below, std::vector<Below>& above) {
        const auto* const named =
            directory_.issuer_of(*below.certificate, below.sha256, *below.issuer, now_, namesakes_);
        if (named != nullptr) return add_named(below, *named);
        const bool has_digests = presented_.helper_digests.size() == presented_.helpers.size();
        for (std::size_t i = 0; i < presented_.helpers.size(); ++i) {
            X509& helper = *presented_.helpers[i];
            try_helper(below,
                       {share(helper), has_digests ? presented_.helper_digests[i] : certificate_sha256(helper), true},
                       above);
        }
        for (const AnchorCertificate* c : directory_.intermediates_named(below.issuer->canonical)) {
            if (!seen_.contains(c->sha256)) try_helper(below, {c->decode(), std::string(c->sha256), false}, above);
        }
    }

    void add_named(const Below& below, const CaDirectory::Issuer& issuer) {
        note_twin(found_, presented_, *below.certificate, *issuer.certificates.front()->decode());
        const std::string id = issuer.certificates.front()->ca_id();
        if (std::find(found_.ca_ids.begin(), found_.ca_ids.end(), id) != found_.ca_ids.end()) return;
        found_.ca_ids.push_back(id);
        for (const AnchorCertificate* c : issuer.certificates) {
            note_ca(found_, *c->decode(), std::string(c->sha256), std::string(c->spki_sha256), c->other_spki_sha256);
        }
    }

    void try_helper(const Below& below, IntermediateCa helper, std::vector<Below>& above) {
        X509& ca = *helper.certificate;
        if (seen_.contains(helper.sha256) || !has_ca_flag(ca)) return;
        if (X509_NAME_cmp(X509_get_issuer_name(below.certificate), X509_get_subject_name(&ca)) != 0) return;
        const std::string key = spki_sha256(ca);
        if (!is_signed_by(*below.certificate, below.sha256, key, [&] { return &ca; })) {
            if (std::string unknown = unknown_key(ca); !unknown.empty()) found_.unknown_algorithm = std::move(unknown);
            return;
        }
        note_twin(found_, presented_, *below.certificate, ca);
        seen_.insert(helper.sha256);
        above.push_back({&ca, helper.sha256, &names_.emplace_back(read_name(*X509_get_issuer_name(&ca)))});
        note_ca(found_, ca, helper.sha256, key, key_forms(ca, key));
        found_.intermediates.push_back(std::move(helper));
    }

    // An unsupported key is a more precise cause than an unsupported signature.
    void say_what_is_unknown() {
        if (found_.unknown_algorithm.empty()) found_.unknown_algorithm = namesakes_.unknown_algorithm;
        if (found_.unknown_algorithm.empty()) found_.unknown_algorithm = unknown_signature(*presented_.leaf);
        for (const IntermediateCa& ca : found_.intermediates) {
            if (found_.unknown_algorithm.empty()) found_.unknown_algorithm = unknown_signature(*ca.certificate);
        }
    }

    const CaDirectory& directory_;
    const PresentedCertificate& presented_;
    const std::int64_t now_;
    NearestCa found_;
    CaDirectory::Namesakes namesakes_;
    std::deque<DistinguishedName> names_;
    std::set<std::string, std::less<>> seen_;  // digests
};

// Adds mod_ssl's CAs that issued one of these certificates: the policy names none of them, but a revocation may.
void add_server_issuers(const ServerCas& server, const PresentedCertificate& presented, NearestCa& nearest) {
    const auto issued = [](const X509& certificate, const std::string& digest, const X509Ptr& ca, std::string& key) {
        if (X509_NAME_cmp(X509_get_issuer_name(&certificate), X509_get_subject_name(ca.get())) != 0) return false;
        if (key.empty()) key = spki_sha256(*ca);
        return is_signed_by(certificate, digest, key, [&]() -> const X509Ptr& { return ca; });
    };
    for (const X509Ptr& ca : server.certificates) {
        std::string key;
        bool is_above = false;
        const auto try_below = [&](const X509& below, const std::string& digest) {
            if (!issued(below, digest, ca, key)) return;
            is_above = true;
            note_twin(nearest, presented, below, *ca);
        };
        try_below(*presented.leaf, presented.facts.sha256);
        for (const IntermediateCa& c : nearest.intermediates) try_below(*c.certificate, c.sha256);
        if (is_above) note_ca(nearest, *ca, certificate_sha256(*ca), key, key_forms(*ca, key));
    }
}

}  // namespace

NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now) {
    const ErrorQueueGuard errors;
    if (directory.has_leaf_anchor(presented.facts.sha256, now)) {
        NearestCa itself;
        itself.is_leaf_itself = true;
        return itself;
    }
    NearestCa nearest = Climb(directory, presented, now).run();
    if (!nearest.found()) add_server_issuers(server, presented, nearest);
    return nearest;
}

}  // namespace mtls
