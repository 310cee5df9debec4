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

// Without an authority key identifier, OpenSSL takes each self-issued certificate for one that signed itself.
bool is_self_signed(X509& ca, const std::string& sha256, const std::string& spki_sha256) {
    if ((X509_get_extension_flags(&ca) & EXFLAG_SS) == 0) return false;
    return X509_get0_authority_key_id(&ca) != nullptr || is_signed_by(ca, sha256, spki_sha256, [&ca] { return &ca; });
}

// Breadth-first search. A signature verifies with one key only, so the issuer's name and key are certain at each step,
// whatever certificates the client sends or omits: the CAs of policy and server are known without it.
class Climb {
public:
    Climb(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
          std::int64_t now)
        : directory_(directory), presented_(presented), server_(server), now_(now) {}

    NearestCa run() {
        const CertificateFacts& facts = presented_.facts;
        seen_.insert(facts.sha256);
        Level level = {{presented_.leaf.get(), facts.sha256, &facts.issuer}};
        if (directory_.has_leaf_anchor(facts.sha256, now_)) {
            found_.is_leaf_itself = true;
            note_above(std::move(level));
            return std::move(found_);
        }
        for (std::size_t depth = 0; depth <= kMostIntermediates && !level.empty(); ++depth) {
            Level above;
            for (const Below& below : level) find_issuers(below, above);
            if (!found_.ca_ids.empty()) {
                note_above(std::move(named_));
                return std::move(found_);
            }
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
    using Level = std::vector<Below>;

    void find_issuers(const Below& below, Level& above) {
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
        try_server_cas(below, above);
    }

    void add_named(const Below& below, const CaDirectory::Issuer& issuer) {
        note_twin(found_, presented_, *below.certificate, *issuer.certificates.front()->decode());
        const std::string id = issuer.certificates.front()->ca_id();
        if (std::find(found_.ca_ids.begin(), found_.ca_ids.end(), id) != found_.ca_ids.end()) return;
        found_.ca_ids.push_back(id);
        add_certificates(issuer, named_);
    }

    void add_certificates(const CaDirectory::Issuer& issuer, Level& above) {
        for (const AnchorCertificate* c : issuer.certificates) {
            if (!seen_.insert(std::string(c->sha256)).second) continue;
            note_ca(found_, *c->decode(), std::string(c->sha256), std::string(c->spki_sha256), c->other_spki_sha256);
            push(*found_.cas.back(), std::string(c->sha256), std::string(c->spki_sha256), above);
        }
    }

    void push(X509& ca, const std::string& sha256, const std::string& spki_sha256, Level& above) {
        if (is_self_signed(ca, sha256, spki_sha256)) return;
        above.push_back({&ca, sha256, &names_.emplace_back(read_name(*X509_get_issuer_name(&ca)))});
    }

    // A revocation takes everything below a CA along: one above the nearest CA, too, as far as policy and server have
    // it. What the client sent has no part: it could leave that out.
    void note_above(Level level) {
        for (std::size_t depth = 0; depth <= kMostIntermediates && !level.empty(); ++depth) {
            Level above;
            for (const Below& below : level) {
                CaDirectory::Namesakes ignored;
                const auto* const named =
                    directory_.issuer_of(*below.certificate, below.sha256, *below.issuer, now_, ignored);
                if (named != nullptr) {
                    note_twin(found_, presented_, *below.certificate, *named->certificates.front()->decode());
                    add_certificates(*named, above);
                }
                for (const AnchorCertificate* c : directory_.intermediates_named(below.issuer->canonical)) {
                    if (!seen_.contains(c->sha256)) step_to(below, *c->decode(), std::string(c->sha256), above);
                }
                try_server_cas(below, above);
            }
            level = std::move(above);
        }
    }

    // mod_ssl's CAs: the policy may name one above them, and a revocation each.
    void try_server_cas(const Below& below, Level& above) {
        const auto& cas = server_.certificates;
        for (std::size_t i = 0; i < cas.size(); ++i) {
            if (X509_NAME_cmp(X509_get_issuer_name(below.certificate), X509_get_subject_name(cas[i].get())) != 0)
                continue;
            step_to(below, *cas[i],
                    server_.digests.size() == cas.size() ? server_.digests[i] : certificate_sha256(*cas[i]), above);
        }
    }

    void try_helper(const Below& below, IntermediateCa helper, Level& above) {
        X509& ca = *helper.certificate;
        if (has_ca_flag(ca) && step_to(below, ca, helper.sha256, above))
            found_.intermediates.push_back(std::move(helper));
    }

    // Whether it is a CA that is new, and that issued the one below.
    bool step_to(const Below& below, X509& ca, const std::string& sha256, Level& above) {
        if (seen_.contains(sha256)) return false;
        if (X509_NAME_cmp(X509_get_issuer_name(below.certificate), X509_get_subject_name(&ca)) != 0) return false;
        const std::string key = spki_sha256(ca);
        if (!is_signed_by(*below.certificate, below.sha256, key, [&] { return &ca; })) {
            if (std::string unknown = unknown_key(ca); !unknown.empty()) found_.unknown_algorithm = std::move(unknown);
            return false;
        }
        note_twin(found_, presented_, *below.certificate, ca);
        seen_.insert(sha256);
        push(ca, sha256, key, above);
        note_ca(found_, ca, sha256, key, key_forms(ca, key));
        return true;
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
    const ServerCas& server_;
    const std::int64_t now_;
    NearestCa found_;
    Level named_;  // the certificates of the nearest CA
    CaDirectory::Namesakes namesakes_;
    std::deque<DistinguishedName> names_;
    std::set<std::string, std::less<>> seen_;  // digests
};

}  // namespace

NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now) {
    const ErrorQueueGuard errors;
    return Climb(directory, presented, server, now).run();
}

}  // namespace mtls
