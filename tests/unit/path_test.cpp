// Which path leads from a certificate to a CA: names, keys, renewals, cross-certificates, certificate policies, limits.

#include <deque>

#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

CertSpec ca_spec(const std::string& cn) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    return spec;
}

EvpPkeyPtr key_of(const test::Identity& id) {
    EVP_PKEY_up_ref(id.key.get());
    return EvpPkeyPtr(id.key.get());
}

// A certificate of the same CA (its name and its key) by another issuer.
test::Identity cross(const test::Identity& ca, const std::string& cn, const test::Identity& issuer) {
    return test::issue(ca_spec(cn), &issuer, key_of(ca));
}

// acme has the root, bee the CA `I` below it, carol another root.
struct Nested {
    test::Identity root = test::issue(ca_spec("Shared Root"), nullptr);
    test::Identity other_root = test::issue(ca_spec("Second Root"), nullptr);
    test::Identity issuing = test::issue(ca_spec("B Issuing"), &root);
    Draft draft;
    std::shared_ptr<const Policy> policy;

    Nested() {
        draft.file("root.pem", root.cert_pem()).file("other.pem", other_root.cert_pem());
        draft.file("issuing.pem", issuing.cert_pem());
        policy = draft.policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem") +
                              partner("bee", "MTLSIdentity CN:bee\nMTLSTrustAnchor issuing.pem") +
                              partner("carol", "MTLSIdentity CN:carol\nMTLSTrustAnchor other.pem"));
    }
    Identification ask_for(const std::string& cn, const test::Identity& ca,
                           std::vector<const test::Identity*> sent) const {
        return ask(*policy, test::issue(client_spec(cn), &ca), sent);
    }
    std::string who(const std::string& cn, const test::Identity& ca,
                    const std::vector<const test::Identity*>& more = {}) const {
        std::vector<const test::Identity*> sent = {&ca};
        sent.insert(sent.end(), more.begin(), more.end());
        return verdict(ask_for(cn, ca, sent));
    }
};

}  // namespace

CLAIM(the_nearest_ca_is_found_however_a_certificate_below_spells_its_issuer) {
    const Nested n;
    const std::vector<test::Attr> spellings[] = {
        {{"CN", "B Issuing"}},
        {{"CN", "b  issuing "}},
        {{"CN", "B\tIssuing"}},
        {{"CN", "B Issuing\n"}},
        {{"CN", "\vB Issuing", V_ASN1_IA5STRING}},
        {{"CN", "B\fIssuing", V_ASN1_T61STRING}},
        {{"CN", std::string("\0B\0\t\0I\0s\0s\0u\0i\0n\0g", 18), V_ASN1_BMPSTRING}},
    };
    for (const auto& spelled : spellings) {
        CertSpec spec = ca_spec("J");
        spec.issuer_name = spelled;
        spec.key_identifiers = false;
        const auto below = test::issue(spec, &n.issuing);
        CHECK_EQUAL(n.who("acme", below, {&n.issuing}), "wrong-issuer");
        CHECK_EQUAL(n.who("acme", below), "wrong-issuer");
        const bool is_malformed = !read_facts(*below.cert).malformed.empty();
        CHECK_EQUAL(n.who("bee", below, {&n.issuing}), is_malformed ? "wrong-issuer" : "granted bee");
    }
    const auto free = test::issue(ca_spec("R Issuing"), &n.root);
    CHECK_EQUAL(n.who("acme", free), "granted acme");
    CHECK_EQUAL(n.who("bee", free), "wrong-issuer");
}

CLAIM(a_malformed_intermediate_makes_no_path) {
    const Nested n;
    const auto odd = test::issue(ca_spec("x\x01y"), &n.root), below = test::issue(ca_spec("Below"), &odd);
    CHECK_EQUAL(n.who("acme", below, {&odd}), "wrong-issuer");
    CHECK_CONTAINS(n.ask_for("acme", below, {&below, &odd}).detail, "malformed: issuer: CN holds NUL, control");
    CHECK_EQUAL(n.who("acme", odd), "malformed-certificate");  // the leaf has that name, too
    CertSpec twice = ca_spec("Twice");
    twice.raw = {{"1.2.3.4", "\x05"}, {"1.2.3.4", "\x05"}};
    CHECK_EQUAL(n.who("acme", test::issue(twice, &n.root)), "wrong-issuer");
    twice.raw.pop_back();
    CHECK_EQUAL(n.who("acme", test::issue(twice, &n.root)), "granted acme");
}

CLAIM(a_ca_that_its_issuer_renewed_speaks_for_nobody_else) {
    const Nested n;
    const auto rekeyed = test::issue(ca_spec("B Issuing"), &n.root);
    CHECK_EQUAL(n.who("acme", rekeyed), "wrong-issuer");
    CHECK_EQUAL(n.who("bee", rekeyed), "wrong-issuer");
    CHECK_CONTAINS(n.ask_for("acme", rekeyed, {&rekeyed}).detail, "\"CN=B Issuing\" under another key or name");
    const auto deeper = test::issue(ca_spec("Deeper"), &rekeyed);
    CHECK_EQUAL(n.who("acme", deeper, {&rekeyed}), "wrong-issuer");
    // The same key under another name is the same CA, too.
    const auto renamed = cross(n.issuing, "B Issuing G2", n.root);
    CHECK_EQUAL(n.who("acme", renamed), "wrong-issuer");
    // Of another root it is another CA.
    const auto elsewhere = test::issue(ca_spec("B Issuing"), &n.other_root);
    CHECK_EQUAL(n.who("carol", elsewhere), "granted carol");
    CHECK_EQUAL(n.who("acme", test::issue(ca_spec("R Issuing"), &n.root)), "granted acme");
    // A new certificate of the same name and key is the CA that is named.
    const auto again = cross(n.issuing, "B Issuing", n.root);
    CHECK_EQUAL(n.who("bee", again), "granted bee");
    CHECK_EQUAL(n.who("acme", again), "wrong-issuer");
}

CLAIM(a_renewed_ca_is_recognised_below_a_new_key_of_its_root) {
    const Nested n;
    // RFC 4210 4.4: the root's old key certifies the new one, which issues from now on.
    const auto new_root = test::issue(ca_spec("Shared Root"), &n.root);
    CHECK_EQUAL(n.who("acme", test::issue(ca_spec("Other Issuing"), &new_root), {&new_root}), "granted acme");
    CHECK_EQUAL(n.who("acme", new_root), "granted acme");
    const auto below_new = test::issue(ca_spec("B Issuing"), &new_root);
    CHECK_EQUAL(n.who("acme", below_new, {&new_root}), "wrong-issuer");
}

CLAIM(a_ca_may_certify_a_new_key_of_its_own) {
    const auto old_ca = test::issue(ca_spec("Root"), nullptr), new_ca = test::issue(ca_spec("Root"), nullptr);
    const auto new_with_old = cross(new_ca, "Root", old_ca), old_with_new = cross(old_ca, "Root", new_ca);
    Draft d;
    d.file("old.pem", old_ca.cert_pem()).file("new.pem", new_ca.cert_pem());
    const auto by_old = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor old.pem"));
    const auto by_new = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor new.pem"));
    const auto of_old = test::issue(client_spec("api"), &old_ca), of_new = test::issue(client_spec("api"), &new_ca);
    CHECK_EQUAL(verdict(ask(*by_old, of_new, {&new_with_old})), "granted acme");
    CHECK_EQUAL(verdict(ask(*by_old, of_new)), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*by_new, of_old, {&old_with_new})), "granted acme");
    CHECK_EQUAL(verdict(ask(*by_new, of_old, {&new_with_old})), "wrong-issuer");
    // Without key identifiers OpenSSL would take the anchor for the issuer, by its name.
    CertSpec bare = client_spec("api");
    bare.key_identifiers = false;
    CHECK_EQUAL(verdict(ask(*by_old, test::issue(bare, &new_ca), {&new_with_old})), "granted acme");
}

CLAIM(of_cas_with_one_name_or_one_key_each_stands_for_its_own_partner) {
    const auto one = test::issue(ca_spec("CA"), nullptr), two = test::issue(ca_spec("CA"), nullptr);
    const auto alias = test::issue(ca_spec("Alias"), nullptr, key_of(one));
    Draft d;
    d.file("one.pem", one.cert_pem()).file("two.pem", two.cert_pem()).file("alias.pem", alias.cert_pem());
    const auto policy = d.policy(partner("one", "MTLSIdentity CN:api\nMTLSTrustAnchor one.pem") +
                                 partner("two", "MTLSIdentity CN:api\nMTLSTrustAnchor two.pem") +
                                 partner("alias", "MTLSIdentity CN:api\nMTLSTrustAnchor alias.pem"));
    for (const bool identifiers : {true, false}) {
        CertSpec spec = client_spec("api");
        spec.key_identifiers = identifiers;
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &one))), "granted one");
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &two))), "granted two");
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &alias))), "granted alias");
    }
}

CLAIM(an_anchors_key_under_another_name_that_its_own_issuer_did_not_give_it_is_another_ca) {
    const auto root = test::issue(ca_spec("Root"), nullptr), anchor = test::issue(ca_spec("Anchor"), nullptr);
    const auto sub = test::issue(ca_spec("Sub"), &root, key_of(anchor));
    Draft d;
    d.file("root.pem", root.cert_pem()).file("anchor.pem", anchor.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                                 partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor anchor.pem"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &sub), {&sub})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &anchor), {&sub})), "wrong-issuer");
}

CLAIM(of_intermediates_with_one_name_the_one_that_signed_is_taken) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    CertSpec spec = ca_spec("Issuing");
    spec.key_identifiers = false;
    const auto one = test::issue(spec, &root), two = test::issue(spec, &root), three = test::issue(spec, &root);
    const auto stranger = test::issue(spec, nullptr);
    CertSpec client = client_spec("api");
    client.key_identifiers = false;
    const auto leaf = test::issue(client, &one), none = test::issue(client, &stranger);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto sent = d.policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem"));
    const std::vector<const test::Identity*> orders[] = {
        {&one, &two, &three}, {&two, &one, &three}, {&three, &two, &one}};
    for (const auto& order : orders) {
        CHECK_EQUAL(verdict(ask(*sent, leaf, order)), "granted acme");
        CHECK_EQUAL(verdict(ask(*sent, none, order)), "not-verified");
        std::string pem;
        for (const test::Identity* ca : order) pem += ca->cert_pem();
        const auto kept =
            d.file("sub.pem", pem)
                .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate sub.pem"));
        CHECK_EQUAL(verdict(ask(*kept, leaf)), "granted acme");
        CHECK_EQUAL(verdict(ask(*kept, none)), "not-verified");
    }
}

CLAIM(another_path_is_tried_where_the_first_does_not_hold) {
    const auto root = test::issue(ca_spec("Root"), nullptr), other = test::issue(ca_spec("Other"), nullptr);
    const auto bridge = test::issue(ca_spec("Bridge"), &root);
    const auto issuing = test::issue(ca_spec("Issuing"), nullptr);
    const auto by_root = cross(issuing, "Issuing", root), by_other = cross(issuing, "Issuing", other);
    CertSpec narrow_spec = ca_spec("Issuing");
    narrow_spec.name_constraints = "permitted;DNS:other.example";
    const auto narrow = test::issue(narrow_spec, &bridge, key_of(issuing));
    CertSpec client = client_spec("api");
    client.san = {{GEN_DNS, "api.acme.example"}};
    const auto leaf = test::issue(client, &issuing);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("bridge.pem", bridge.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_other, &by_root})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_root, &by_other})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_other})), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&narrow, &bridge})), "wrong-issuer");
    CHECK_CONTAINS(ask(*policy, leaf, {&narrow, &bridge}).detail, "permitted subtree");
    // Two of one CA, one with constraints that the leaf breaks: in either order.
    const auto nearer = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor bridge.pem"));
    const auto wide = cross(issuing, "Issuing", bridge);
    CHECK_EQUAL(verdict(ask(*nearer, leaf, {&narrow, &wide})), "granted acme");
    CHECK_EQUAL(verdict(ask(*nearer, leaf, {&wide, &narrow})), "granted acme");
    // A loop leads nowhere, and ends.
    const auto a = test::issue(ca_spec("A"), nullptr), b = test::issue(ca_spec("B"), nullptr);
    const auto a_by_b = cross(a, "A", b), b_by_a = cross(b, "B", a);
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &a), {&a_by_b, &b_by_a})), "not-verified");
}

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
    CHECK_EQUAL(who(api + " !cert-policy:" + high, low_ca, high), "granted acme");
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

CLAIM(short_keys_count_at_no_security_level) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    const auto weak_root = test::issue(ca_spec("Weak"), nullptr, EvpPkeyPtr(EVP_RSA_gen(1024)));
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem() + weak_root.cert_pem())
                            .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem"));
    const auto at = [&](int level, const test::Identity& leaf) {
        ServerCas server;
        server.security_level = level;
        return verdict(ask(*policy, leaf, {}, now(), server));
    };
    for (const int level : {0, 1, 2}) {
        const auto by = [](EVP_PKEY* key, const test::Identity& ca) {
            return test::issue(client_spec("api"), &ca, EvpPkeyPtr(key));
        };
        CHECK_EQUAL(at(level, by(EVP_RSA_gen(1024), root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-192"), root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-256"), weak_root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_RSA_gen(2048), root)), "granted acme");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-256"), root)), "granted acme");
    }
    CHECK_EQUAL(at(3, test::issue(client_spec("api"), &root, EvpPkeyPtr(EVP_RSA_gen(2048)))), "wrong-issuer");
}

CLAIM(an_algorithm_that_openssl_does_not_know_is_not_called_weak) {
    const std::string unknown = "1.3.6.1.4.1.55555.9", ml_dsa_65 = "2.16.840.1.101.3.4.3.18";
    CertSpec odd = ca_spec("Post-quantum");
    odd.key_algorithm = unknown;
    const auto root = test::issue(ca_spec("Root"), nullptr), anchor = test::issue(odd, nullptr);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("anchor.pem", anchor.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor anchor.pem") +
                                 partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor root.pem"));
    CHECK_CONTAINS(d.said(), "'anchor.pem': the certificate \"CN=Post-quantum\" makes no path");
    CHECK_CONTAINS(d.said(), "is algorithm " + unknown + ", unknown to the OpenSSL here (");
    for (const Diagnostic& found : lint_policy(*policy, now())) CHECK(found.str().find("weak") == std::string::npos);
    const auto refused = [&](const test::Identity& leaf, const std::vector<const test::Identity*>& sent) {
        const auto answer = ask(*policy, leaf, sent);
        CHECK_EQUAL(verdict(answer), "not-verified");
        CHECK_CONTAINS(answer.detail, unknown + ", unknown to the OpenSSL here (");
    };
    // The anchor's key, an intermediate's, and a signature.
    refused(test::issue(client_spec("api"), &anchor), {});
    const auto below = test::issue(odd, &root);
    refused(test::issue(client_spec("other"), &below), {&below});
    CertSpec client = client_spec("other");
    client.signature_algorithm = unknown;
    refused(test::issue(client, &root), {});
    // The leaf's own key.
    client = client_spec("other");
    client.key_algorithm = unknown;
    const auto leaf = ask(*policy, test::issue(client, &root));
    CHECK_EQUAL(verdict(leaf), "wrong-issuer");
    CHECK_CONTAINS(leaf.detail, unknown + ", unknown to the OpenSSL here (");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("other"), &root))), "granted other");

    // OpenSSL's word for it in a handshake.
    const int weak = X509_V_ERR_CA_KEY_TOO_SMALL;
    CHECK(handshake_refusal_of(weak, anchor.cert.get()) == HandshakeRefusal::kUnknownAlgorithm);
    CHECK(handshake_refusal_of(weak, root.cert.get()) == HandshakeRefusal::kBadSignature);
    CHECK(handshake_refusal_of(X509_V_ERR_CERT_HAS_EXPIRED, anchor.cert.get()) == HandshakeRefusal::kExpired);
    odd.key_algorithm = ml_dsa_65;
    const bool is_new = OBJ_txt2nid(ml_dsa_65.c_str()) == NID_undef;
    CHECK_CONTAINS(describe_verify_error(weak, test::issue(odd, nullptr).cert.get()),
                   is_new ? "is ML-DSA-65, unknown to the OpenSSL here (" : "in a form that is unknown");
    if (is_new) CHECK_CONTAINS(unknown_key(*test::issue(odd, nullptr).cert), "OpenSSL 3.5 and later know it");
}

namespace {

// Intermediates, the topmost first, each with so many bytes of padding.
std::vector<test::Identity> tower(const test::Identity& root, const std::vector<std::size_t>& padding) {
    std::vector<test::Identity> out;
    for (const std::size_t n : padding) {
        CertSpec spec = ca_spec("T" + std::to_string(out.size()));
        if (n > 0) spec.raw = {{"1.3.6.1.4.1.55555.1", std::string(n, 'x')}};
        out.push_back(test::issue(spec, out.empty() ? &root : &out.back()));
    }
    return out;
}

std::vector<const test::Identity*> all_of(const std::vector<test::Identity>& cas, std::size_t from = 0) {
    std::vector<const test::Identity*> out;
    for (std::size_t i = cas.size(); i-- > from;) out.push_back(&cas[i]);
    return out;
}

SentHelpers sent_by(const test::Identity& leaf, const std::vector<test::Identity>& cas) {
    std::vector<X509*> chain;
    for (const test::Identity* ca : all_of(cas)) chain.push_back(ca->cert.get());
    return useful_helpers(*leaf.cert, chain);
}

}  // namespace

CLAIM(a_remembered_path_is_the_answer_to_its_own_question_alone) {
    const auto r1 = test::issue(ca_spec("Root"), nullptr), r2 = test::issue(ca_spec("Root"), nullptr);
    const auto by1 = test::issue(ca_spec("Mid"), &r1);
    const auto by2 = test::issue(ca_spec("Mid"), &r2, key_of(by1));
    const auto leaf = test::issue(client_spec("api"), &by1);
    std::deque<std::string> digests;
    const auto link = [&](const test::Identity& id) {
        return Link(id.cert.get(), digests.emplace_back(certificate_sha256(*id.cert)));
    };
    const auto asked = [&](std::vector<Link> trusted) {
        return PathQuestion{link(leaf), std::move(trusted), {link(by1), link(by2)}, 1, now()};
    };
    // What one policy objects to is not kept from another.
    PathQuestion question = asked({link(r1), link(r2)});
    X509* first = nullptr;
    question.objection = [&first](const PathAnswer& path) {
        if (first == nullptr) first = path.chain.back().get();
        return std::string(path.chain.back().get() == first ? "not this one" : "");
    };
    const PathAnswer other = verify_path(question);
    CHECK(other.ok && other.chain.back().get() != first);
    question.objection = {};
    CHECK_EQUAL(X509_cmp(verify_path(question).chain.back().get(), first), 0);
    // A certificate without a digest is like no other.
    const auto stranger = test::issue(ca_spec("Root"), nullptr);
    const auto without_digest = [](const test::Identity& id) { return Link(id.cert.get()); };
    CHECK(verify_path(asked({without_digest(r1)})).ok);
    CHECK(!verify_path(asked({without_digest(stranger)})).ok);
}

CLAIM(ten_intermediates_make_a_path_and_eleven_say_the_limit) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    Draft d;
    const auto cas = tower(root, std::vector<std::size_t>(12));
    d.file("root.pem", root.cert_pem())
        .file("top.pem", cas[0].cert_pem())
        .file("two.pem", cas[0].cert_pem() + cas[1].cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto below = [&](std::size_t count) { return test::issue(client_spec("api"), &cas[count - 1]); };
    for (std::size_t count = 1; count <= 10; ++count) {
        CHECK_EQUAL(verdict(ask(*policy, below(count), all_of(cas))), "granted acme");
    }
    const auto eleven = ask(*policy, below(11), all_of(cas));
    CHECK_EQUAL(verdict(eleven), "not-verified");
    CHECK_CONTAINS(eleven.detail, "10 with ");
    CHECK_CONTAINS(eleven.detail, "1 more with ");
    CHECK_CONTAINS(eleven.detail, "limit of 10 and 32768 bytes");
    // What the policy has itself need not come from the client; but a path has its own limit.
    const std::string helped = "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSIntermediate ";
    const auto long_path = ask(*d.policy(partner("acme", helped + "top.pem")), below(11), all_of(cas, 1));
    CHECK_EQUAL(verdict(long_path), "not-verified");
    CHECK_CONTAINS(long_path.detail, "more intermediates than the 10");
    // A stranger reads of no limit.
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("api"), nullptr), all_of(cas)).detail, "");
}

CLAIM(as_many_intermediates_count_as_fit) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto bare = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto ask_through = [&](const Policy& policy, const std::vector<test::Identity>& cas) {
        return ask(policy, test::issue(client_spec("api"), &cas.back()), all_of(cas));
    };
    CHECK_EQUAL(verdict(ask_through(*bare, tower(root, {5800, 5800, 5800, 5800, 5800}))), "granted acme");
    const auto big = tower(root, {20000, 20000});
    CHECK_EQUAL(verdict(ask_through(*bare, big)), "not-verified");
    CHECK_CONTAINS(ask_through(*bare, big).detail, "1 more with 20");
    d.file("top.pem", big[0].cert_pem());
    const auto helped =
        d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSIntermediate top.pem"));
    CHECK_EQUAL(verdict(ask_through(*helped, big)), "granted acme");
    // One that does not fit keeps no smaller one out.
    const auto mixed = tower(root, {0, 33000, 0});
    const auto leaf = test::issue(client_spec("api"), &mixed.back());
    CHECK_EQUAL(sent_by(leaf, mixed).certificates.size(), 2U);
    CHECK_EQUAL(sent_by(leaf, mixed).left_out.count, 1U);
    // The leaf is in the ticket, too.
    CertSpec large = client_spec("api");
    large.raw = {{"1.3.6.1.4.1.55555.1", std::string(45000, 'x')}};
    const auto pair = tower(root, {9000, 9000});
    CHECK_EQUAL(sent_by(test::issue(large, &pair.back()), pair).certificates.size(), 1U);
}

CLAIM(a_session_carries_intermediates_for_its_leaf_alone) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto leaf = test::issue(client_spec("a"), &sub), stranger = test::issue(client_spec("b"), &sub);
    SentHelpers helpers = useful_helpers(*leaf.cert, {root.cert.get(), other.cert.get(), sub.cert.get()});
    CHECK_EQUAL(helpers.certificates.size(), 1U);
    for (const std::uint32_t left_out : {0U, 300U}) {
        helpers.left_out = {left_out, left_out * 1000};
        const std::string data = encode_helpers(*leaf.cert, helpers);
        const SentHelpers back = decode_helpers(data, *leaf.cert);
        CHECK_EQUAL(back.certificates.size(), 1U);
        CHECK_EQUAL(back.left_out.count, left_out);
        CHECK_EQUAL(back.left_out.bytes, left_out * 1000);
        CHECK_EQUAL(back.digests.front(), certificate_sha256(*sub.cert));
        CHECK_EQUAL(decode_helpers(data, *stranger.cert).certificates.size(), 0U);
        std::string of_another_version = data;
        of_another_version[0] = 2;
        CHECK_EQUAL(decode_helpers(of_another_version, *leaf.cert).certificates.size(), 0U);
        for (std::size_t n = 34; n < data.size(); ++n) {
            const bool is_whole = left_out > 0 && n + 10 == data.size();
            CHECK(is_whole || decode_helpers(std::string_view(data).substr(0, n), *leaf.cert).certificates.empty());
        }
    }
    // With a byte behind the certificate, or a length in more bytes than DER takes, the digest would not be its own.
    const std::string der = encode(i2d_X509, *sub.cert);
    const auto holding = [&leaf](const std::string& encoded) {
        const auto size = static_cast<unsigned>(encoded.size());
        return '\1' + certificate_sha256(*leaf.cert) + static_cast<char>(size >> 8) + static_cast<char>(size) + encoded;
    };
    CHECK_EQUAL(decode_helpers(holding(der), *leaf.cert).certificates.size(), 1U);
    CHECK_EQUAL(decode_helpers(holding(der + 'x'), *leaf.cert).certificates.size(), 0U);
    CHECK_EQUAL(decode_helpers(holding(std::string("\x30\x83\0", 3) + der.substr(2)), *leaf.cert).certificates.size(),
                0U);
    const SentHelpers none{{}, {2, 70000}};
    CHECK_EQUAL(decode_helpers(encode_helpers(*leaf.cert, none), *leaf.cert).left_out.count, 2U);
}
