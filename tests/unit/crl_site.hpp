// CRLs as the server keeps them, and a partner whose certificates are checked against them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "lists.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "policy_draft.hpp"

namespace test::lists {

using namespace mtls;

// Lists as CrlFiles holds them; signers are learned from `known`.
inline CrlSet set_of(const std::vector<ListSpec>& specs, const CasByName& known = {}) {
    CrlSet set;
    for (const ListSpec& spec : specs) {
        X509CrlPtr list = make_list(spec);
        const std::string issuer = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        auto crl = Crl::read(std::move(list));
        const CasByName none = [](const std::string&) { return std::vector<X509Ptr>(); };
        if (crl.ok()) set.add(std::move(crl.value()), known ? known : none, now());
        if (!crl.ok()) set.mark_unusable(issuer, crl.error());
    }
    return set;
}

inline ListSpec list_by(const test::Identity& signer, const std::vector<const test::Identity*>& revoked = {},
                        long reason = -1) {
    ListSpec out;
    out.signer = &signer;
    for (const test::Identity* id : revoked) out.entries.push_back({serial_of(*id), reason});
    return out;
}

inline ListSpec scoped(ListSpec list, const ScopeSpec& scope) {
    list.scope = scope;
    return list;
}

inline ScopeSpec only_user() { return {{}, true}; }

inline test::Identity ca_named(const std::string& cn, const test::Identity* issuer, const std::string& usage = "",
                               EvpPkeyPtr key = {}, std::int64_t not_after = 864000) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.key_usage = usage;
    spec.not_before = -864000;
    spec.not_after = not_after;
    return issue(spec, issuer, std::move(key));
}

// One partner, its anchor and its intermediates, under both kinds of MTLSCRL.
struct Site {
    Draft draft;
    std::shared_ptr<const Policy> lax, strict, forgiving;

    Site(const std::string& anchors, const std::string& intermediates = "") {
        draft.file("anchors.pem", anchors).file("ca.pem", intermediates);
        const std::string lines = "MTLSIdentity any\nMTLSTrustAnchor anchors.pem\n" +
                                  std::string(intermediates.empty() ? "" : "MTLSIntermediate ca.pem\n");
        lax = draft.policy(partner("acme", lines));
        strict = draft.policy(partner("acme", lines + "MTLSCRL required\n"));
        forgiving = draft.policy(partner("acme", lines + "MTLSCRLStale allow\n"));
    }
    static std::string word(const Policy& policy, const test::Identity& who, const CrlSet& crls,
                            const std::vector<const test::Identity*>& sent = {}) {
        return std::string(word_of(ask(policy, who, sent, now(), {}, {}, crls).reason));
    }
    std::string answers(const test::Identity& who, const CrlSet& crls,
                        const std::vector<const test::Identity*>& sent = {}) const {
        return word(*lax, who, crls, sent) + " " + word(*strict, who, crls, sent);
    }
};

}  // namespace test::lists
