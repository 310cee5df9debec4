// Two CAs of one name and another one, and what check_crls() says of their clients.
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "pki.hpp"

namespace test::crls {

using namespace mtls;

inline CasByName known_of(const std::vector<const Identity*>& cas) {
    return [cas](const std::string& name) {
        std::vector<X509Ptr> out;
        for (const Identity* ca : cas) {
            if (read_name(*X509_get_subject_name(ca->cert.get())).canonical == name) out.push_back(share(*ca->cert));
        }
        return out;
    };
}

inline std::string add(CrlSet& set, const std::string& pem, const std::vector<const Identity*>& cas) {
    DecodedCrls decoded = decode_crls(pem);
    std::string said = decoded.fault;
    for (X509CrlPtr& list : decoded.lists) {
        auto crl = Crl::read(std::move(list));
        said += crl.ok() ? set.add(std::move(crl.value()), known_of(cas), std::time(nullptr)) : crl.error();
    }
    return said;
}

// The status, and the detail.
inline std::pair<std::string, std::string> answer_of(const CrlSet& set, const Identity& who, const Identity& ca,
                                                     const CrlRules& rules, std::int64_t later,
                                                     const std::vector<const Identity*>& more_signers = {}) {
    std::vector<const Identity*> signers = more_signers;
    signers.push_back(&ca);
    // Whose a list is otherwise, CrlSignerSearch finds out: here, one that is verified is another CA's.
    const CrlSigners under_this_anchor{
        known_of(signers),
        [](X509& signer) { return may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign; },
        [](const Crl& list) { return std::string(list.is_unverified() ? "its signer is not known" : ""); }};
    std::vector<std::int64_t> edges;
    std::string detail;
    static constexpr const char* kWords[] = {"good", "revoked", "stale", "unknown"};
    const CrlStatus status =
        check_crls({&set}, *who.cert, under_this_anchor, rules, std::time(nullptr) + later, edges, detail);
    return {kWords[static_cast<std::size_t>(status)], detail};
}

inline std::string ask(const CrlSet& set, const Identity& who, const Identity& ca, const CrlRules& rules = {},
                       std::int64_t later = 0, const std::vector<const Identity*>& more_signers = {}) {
    return answer_of(set, who, ca, rules, later, more_signers).first;
}

inline std::string detail_of(const CrlSet& set, const Identity& who, const Identity& ca, const CrlRules& rules,
                             std::int64_t later = 0) {
    return answer_of(set, who, ca, rules, later).second;
}

struct Pki {
    Identity ca = make_ca("CRL CA"), twin = make_ca("CRL CA"), other = make_ca("Other CA");
    Identity good = make_client("good", "a.example.org", ca), bad = make_client("bad", "b.example.org", ca);
};
inline const Pki& pki() {
    static const Pki it;
    return it;
}

inline const CrlRules kRequired{true, std::nullopt};

}  // namespace test::crls
