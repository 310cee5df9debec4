// The certificate policies that a path allows a certificate (RFC 5280 6.1).
#include <openssl/x509v3.h>

#include <string>
#include <utility>
#include <vector>

#include "cas.hpp"
#include "claims.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

CLAIM(a_ca_is_held_to_its_certificate_policies) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    const std::string low = "1.2.3.4", high = "1.2.3.9", any = "2.5.29.32.0";
    const auto sub = [&](const std::string& policies, std::vector<std::pair<int, std::string>> more = {}) {
        CertSpec spec = ca_spec("Sub " + policies);
        if (!policies.empty()) spec.extensions = {{NID_certificate_policies, policies}};
        spec.extensions.insert(spec.extensions.end(), more.begin(), more.end());
        return test::issue(spec, &root);
    };
    const auto plain = sub(""), low_ca = sub(low), any_ca = sub(any);
    const auto must = sub(low, {{NID_policy_constraints, "critical,requireExplicitPolicy:0"}});
    const auto no_any = sub(
        low, {{NID_policy_constraints, "critical,requireExplicitPolicy:0"}, {NID_inhibit_any_policy, "critical,0"}});
    const auto mapped = sub(low, {{NID_policy_mappings, "critical," + low + ":" + high}});
    const auto unmapped = sub(low, {{NID_policy_mappings, "critical," + low + ":" + high},
                                    {NID_policy_constraints, "critical,requireExplicitPolicy:0"}});
    Draft d;
    d.file("root.pem", root.cert_pem()).file("must.pem", must.cert_pem());
    const auto who = [&](const std::string& lines, const test::Identity& ca, const std::string& policies,
                         const std::string& first = "") {
        CertSpec spec = client_spec("api");
        if (!policies.empty()) spec.extensions = {{NID_certificate_policies, policies}};
        const auto policy = d.policy(first + partner("acme", "MTLSTrustAnchor root.pem\n" + lines));
        return verdict(ask(*policy, test::issue(spec, &ca), {&ca}));
    };
    const std::string api = "MTLSIdentity CN:api";
    CHECK_EQUAL(who(api, plain, ""), "granted acme");
    CHECK_EQUAL(who(api, root, ""), "granted acme");
    CHECK_EQUAL(who(api, low_ca, ""), "granted acme");
    CHECK_EQUAL(who(api, low_ca, high), "granted acme");
    CHECK_EQUAL(who(api, must, ""), "wrong-issuer");
    CHECK_EQUAL(who(api, must, high), "wrong-issuer");
    CHECK_EQUAL(who(api, must, low), "granted acme");
    CHECK_EQUAL(who(api, must, any), "granted acme");
    CHECK_EQUAL(who(api, no_any, any), "wrong-issuer");
    CHECK_EQUAL(who(api, no_any, low), "granted acme");
    CHECK_EQUAL(who(api, unmapped, high), "granted acme");
    CHECK_EQUAL(who(api, unmapped, low), "wrong-issuer");

    const std::string asks_high = api + " cert-policy:" + high, asks_low = api + " cert-policy:" + low;
    CHECK_EQUAL(who(asks_high, low_ca, high), "unknown-partner");
    CHECK_EQUAL(who(asks_high, plain, high), "unknown-partner");
    CHECK_EQUAL(who(asks_high, any_ca, high), "granted acme");
    CHECK_EQUAL(who(asks_high, root, high), "granted acme");
    CHECK_EQUAL(who(asks_high, any_ca, low), "unknown-partner");
    CHECK_EQUAL(who(asks_high, any_ca, any + "," + high), "granted acme");
    CHECK_EQUAL(who(asks_high, any_ca, any), "unknown-partner");
    CHECK_EQUAL(who(asks_low, low_ca, low + "," + high), "granted acme");
    CHECK_EQUAL(who(asks_low, low_ca, any), "granted acme");  // any that its CA may assert
    CHECK_EQUAL(who("MTLSIdentity cert-policy:" + low, low_ca, any), "granted acme");
    CHECK_EQUAL(who("MTLSIdentity cert-policy:" + low, low_ca, ""), "unknown-partner");
    // A mapped policy counts by the name that the anchor's side has for it.
    CHECK_EQUAL(who(asks_low, mapped, high), "granted acme");
    CHECK_EQUAL(who(asks_high, mapped, high), "unknown-partner");
    // With another certificate of the same CA, which the client may send instead, the path could allow it.
    CHECK_EQUAL(who(api + " !cert-policy:" + high, low_ca, high), "unknown-partner");
    CHECK_EQUAL(who(api + " !cert-policy:" + high, low_ca, any), "unknown-partner");
    CHECK_EQUAL(who(api + " !cert-policy:" + high, low_ca, low), "granted acme");
    CHECK_EQUAL(who(api + " !cert-policy:" + high, any_ca, high), "unknown-partner");

    // What refuses counts the certificate's own word as well.
    const auto revoke = [](const std::string& selectors) { return "MTLSRevoke " + selectors + "\n"; };
    CHECK_EQUAL(who(api, low_ca, high, revoke("cert-policy:" + high)), "revoked");
    CHECK_EQUAL(who(api, any_ca, low, revoke("cert-policy:" + high)), "granted acme");
    CHECK_EQUAL(who(api, low_ca, any, revoke("cert-policy:" + low)), "revoked");
    CHECK_EQUAL(who(api, low_ca, high, revoke("CN:api !cert-policy:" + high)), "revoked");
    CHECK_EQUAL(who(api, any_ca, high, revoke("CN:api !cert-policy:" + high)), "granted acme");
}

CLAIM(what_is_handed_over_of_policies_is_what_the_path_allows) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    CertSpec spec = ca_spec("Sub");
    spec.extensions = {{NID_certificate_policies, "1.2.3.4"}};
    const auto sub = test::issue(spec, &root);
    CertSpec client = client_spec("api");
    client.extensions = {{NID_certificate_policies, "1.2.3.9"}};
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .policy(partner("acme",
                                            "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSAttribute level "
                                            "cert:cert-policy\nMTLSGroup high if cert-policy:1.2.3.9"));
    const auto minted = ask(*policy, test::issue(client, &sub), {&sub});
    CHECK_EQUAL(verdict(minted), "granted acme");
    CHECK(minted.variables.empty() && minted.groups.empty());
    const auto genuine = ask(*policy, test::issue(client, &root));
    CHECK_EQUAL(genuine.variables.size(), 1U);
    CHECK_EQUAL(genuine.variables.at(0).second, "1.2.3.9");
    CHECK_EQUAL(genuine.groups.size(), 1U);
}

CLAIM(an_end_entity_anchor_asserts_its_policies_itself) {
    CertSpec spec = client_spec("device");
    spec.extensions = {{NID_certificate_policies, "1.2.3.4"}};
    const auto self = test::issue(spec, nullptr);
    Draft d;
    d.file("self.pem", self.cert_pem());
    const auto policy = [&](const std::string& oid) {
        return d.policy(partner("device", "MTLSIdentity cert-policy:" + oid + "\nMTLSTrustAnchor self.pem"));
    };
    CHECK_EQUAL(verdict(ask(*policy("1.2.3.4"), self)), "granted device");
    CHECK_EQUAL(verdict(ask(*policy("1.2.3.9"), self)), "unknown-partner");
}
