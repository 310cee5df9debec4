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

// `digests`: SHA-256 of each certificate, or empty.
std::string digest_at(std::size_t i, const std::vector<X509Ptr>& certificates,
                      const std::vector<std::string>& digests) {
    return digests.size() == certificates.size() ? digests[i] : certificate_sha256(*certificates[i]);
}

// Breadth-first search. The issuer's name and key are certain at each step, whatever certificates the client sends or
// omits: the CAs of policy and server are known without it, and if two of the policy could be the issuer, it is nobody.
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
            if (budget_.is_exhausted()) return given_up();
            if (found_.has_two_issuers) return std::move(found_);
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
    using KeyOf = SignatureBudget::KeyOf;

    // A CA that was not found could be the nearest one, or revoked.
    static NearestCa given_up() {
        NearestCa out;
        out.is_too_wide = true;
        return out;
    }

    std::vector<const CaDirectory::Issuer*> named_issuers_of(const Below& below, CaDirectory::Namesakes& namesakes) {
        return directory_.issuers_of(*below.certificate, below.sha256, *below.issuer, now_, budget_, namesakes);
    }

    void find_issuers(const Below& below, Level& above) {
        const auto named = named_issuers_of(below, namesakes_);
        found_.has_two_issuers = found_.has_two_issuers || named.size() > 1;
        if (!named.empty()) {
            const std::string id = named.front()->certificates.front()->ca_id();
            auto& ids = found_.ca_ids;
            if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
            return add_named(below, *named.front(), named_);
        }
        for (std::size_t i = 0; i < presented_.helpers.size(); ++i) {
            const std::string digest = digest_at(i, presented_.helpers, presented_.helper_digests);
            try_helper(below, {share(*presented_.helpers[i]), digest, true}, above);
        }
        for (const AnchorCertificate* c : directory_.intermediates_named(below.issuer->canonical)) {
            if (!seen_.contains(c->sha256)) try_helper(below, {c->decode(), std::string(c->sha256), false}, above);
        }
        try_server_cas(below, above);
    }

    // A revocation of a CA refuses everything below it, also if the CA is above the nearest one. Certificates from the
    // client are not asked here: it could leave them out.
    void note_above(Level level) {
        budget_ = SignatureBudget::unlimited();
        for (std::size_t depth = 0; depth <= kMostIntermediates && !level.empty(); ++depth) {
            Level above;
            for (const Below& below : level) {
                CaDirectory::Namesakes ignored;
                for (const auto* named : named_issuers_of(below, ignored)) add_named(below, *named, above);
                for (const AnchorCertificate* c : directory_.intermediates_named(below.issuer->canonical)) {
                    if (!seen_.contains(c->sha256))
                        step_to(below, *c->decode(), std::string(c->sha256), KeyOf::kUs, above);
                }
                try_server_cas(below, above);
            }
            level = std::move(above);
        }
    }

    void add_named(const Below& below, const CaDirectory::Issuer& issuer, Level& above) {
        note_twin(found_, presented_, *below.certificate, *issuer.certificates.front()->decode());
        for (const AnchorCertificate* c : issuer.certificates) {
            const std::string sha256(c->sha256), key(c->spki_sha256);
            if (!seen_.insert(sha256).second) continue;
            note_ca(found_, *c->decode(), sha256, key, c->other_spki_sha256);
            push(*found_.cas.back(), sha256, key, above);
        }
    }

    void push(X509& ca, const std::string& sha256, const std::string& spki_sha256, Level& above) {
        if (is_self_signed(ca, sha256, spki_sha256)) return;
        above.push_back({&ca, sha256, &names_.emplace_back(read_name(*X509_get_issuer_name(&ca)))});
    }

    // mod_ssl's CAs: the policy may name a CA above them, and a revocation may name any of them.
    void try_server_cas(const Below& below, Level& above) {
        const auto& cas = server_.certificates;
        for (std::size_t i = 0; i < cas.size(); ++i) {
            if (names_as_issuer(*below.certificate, *cas[i]))
                step_to(below, *cas[i], digest_at(i, cas, server_.digests), KeyOf::kUs, above);
        }
    }

    void try_helper(const Below& below, IntermediateCa helper, Level& above) {
        X509& ca = *helper.certificate;
        if (!has_ca_flag(ca)) return note_fault(below, ca, helper.sha256);
        const KeyOf whose = helper.from_peer ? KeyOf::kPeer : KeyOf::kUs;
        if (step_to(below, ca, helper.sha256, whose, above)) found_.intermediates.push_back(std::move(helper));
    }

    // Why a certificate that issued the one below is no CA, if CAs of the policy have the name of its issuer.
    void note_fault(const Below& below, X509& ca, const std::string& sha256) {
        if (!found_.faulty_ca.empty() || !names_as_issuer(*below.certificate, ca)) return;
        const CertificateFacts facts = read_facts(ca, sha256);
        CaDirectory::Namesakes ignored;
        if (named_issuers_of({&ca, sha256, &facts.issuer}, ignored).empty() &&
            directory_.intermediates_named(facts.issuer.canonical).empty())
            return;
        const bool is_issuer = is_signed_by(*below.certificate, below.sha256, facts.spki_sha256, budget_, KeyOf::kPeer,
                                            [&] { return &ca; });
        if (!is_issuer) return;
        found_.faulty_ca =
            facts.malformed.empty() ? describe_invalid_ca(ca) : "malformed: " + facts.malformed + at_ca(ca);
    }

    // Adds a CA if it issued the one below and was not added before; returns whether it did.
    bool step_to(const Below& below, X509& ca, const std::string& sha256, KeyOf whose, Level& above) {
        if (seen_.contains(sha256) || !names_as_issuer(*below.certificate, ca)) return false;
        const std::string key = spki_sha256(ca);
        if (!is_signed_by(*below.certificate, below.sha256, key, budget_, whose, [&] { return &ca; })) {
            std::string fault = unknown_key(ca);
            if (fault.empty() && whose == KeyOf::kPeer) fault = costly_key(ca);
            if (!fault.empty()) found_.unknown_algorithm = std::move(fault);
            return false;
        }
        note_twin(found_, presented_, *below.certificate, ca);
        seen_.insert(sha256);
        push(ca, sha256, key, above);
        note_ca(found_, ca, sha256, key, read_ca(Link(&ca, sha256))->other_keys);
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
    SignatureBudget budget_;
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
