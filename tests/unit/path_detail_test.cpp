// What a refusal says about the path: the fault of the certificate that is to be replaced.
#include <openssl/x509v3.h>

#include <string>
#include <string_view>

#include "cas.hpp"
#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

std::string said_by_lint(const Policy& policy) {
    std::string out;
    for (const Diagnostic& found : lint_policy(policy, now())) out += found.message + "\n";
    return out;
}

std::string advice_of(const Identification& who) { return std::string(advice_for(who.reason, who.detail)); }

// A client whose authorityKeyIdentifier has the issuer's own issuer and serial number alone.
test::Identity client_by_serial(const test::Identity& ca) {
    CertSpec spec = client_spec("api");
    spec.key_identifiers = false;
    spec.extensions = {{NID_authority_key_identifier, "issuer:always"}};
    return test::issue(spec, &ca);
}

// The same with a notAfter that has fractions of a second, signed anew.
test::Identity with_odd_end(const test::Identity& ca, const test::Identity& issuer) {
    test::Identity out{X509Ptr(X509_dup(ca.cert.get())), key_of(ca)};
    X509& certificate = *out.cert;
    ASN1_TIME* const end = ASN1_STRING_type_new(V_ASN1_GENERALIZEDTIME);
    ASN1_STRING_set(end, "20990101000000.5Z", -1);
    X509_set1_notAfter(&certificate, end);
    ASN1_STRING_free(end);
    X509_sign(&certificate, issuer.key.get(), EVP_sha256());
    return out;
}

}  // namespace

CLAIM(a_certificate_that_names_an_older_certificate_of_its_ca_is_told_so) {
    const auto old = test::issue(ca_spec("Acme CA"), nullptr);
    const auto renewed = test::issue(ca_spec("Acme CA"), nullptr, key_of(old));
    const auto root = test::issue(ca_spec("Root"), nullptr), other = test::issue(ca_spec("Acme CA"), nullptr);
    const auto old_sub = test::issue(ca_spec("Sub"), &root);
    const auto new_sub = test::issue(ca_spec("Sub"), &root, key_of(old_sub));
    Draft d;
    d.file("renewed.pem", renewed.cert_pem()).file("both.pem", renewed.cert_pem() + old.cert_pem());
    d.file("root.pem", root.cert_pem());
    const auto under = [&d](const std::string& anchor) {
        return d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor " + anchor));
    };
    const auto below = client_by_serial(old);
    const auto refused = ask(*under("renewed.pem"), below);
    CHECK_EQUAL(verdict(refused), "wrong-issuer");
    CHECK_CONTAINS(refused.detail, "its authorityKeyIdentifier names another certificate of \"CN=Acme CA\"");
    CHECK_CONTAINS(advice_of(refused), "beside the new one");
    CHECK_EQUAL(verdict(ask(*under("both.pem"), below)), "granted acme");
    CHECK_EQUAL(verdict(ask(*under("renewed.pem"), client_by_serial(renewed))), "granted acme");
    // Another key is another CA.
    const auto stranger = ask(*under("renewed.pem"), client_by_serial(other));
    CHECK_EQUAL(verdict(stranger), "wrong-issuer");
    CHECK(stranger.detail.find("authorityKeyIdentifier") == std::string::npos);
    CHECK_CONTAINS(advice_of(stranger), "somebody else has a certificate with this partner's name");

    const auto policy = under("root.pem");
    const auto below_sub = client_by_serial(old_sub);
    CHECK_EQUAL(verdict(ask(*policy, below_sub, {&old_sub})), "granted acme");
    const auto renewed_sub = ask(*policy, below_sub, {&new_sub});
    CHECK_EQUAL(verdict(renewed_sub), "wrong-issuer");
    CHECK_CONTAINS(renewed_sub.detail, "names another certificate of \"CN=Sub\"");
}

CLAIM(an_anchor_that_issues_nothing_is_told_with_its_fault) {
    CertSpec version_1 = ca_spec("Acme CA"), bare = ca_spec("Acme CA");
    version_1.version = 0;
    bare.basic_constraints = false;
    bare.key_usage = "keyCertSign";
    const std::pair<CertSpec, const char*> rows[] = {
        {version_1, "it is of X.509 version 1, which has no basicConstraints"},
        {bare, "it has no basicConstraints with CA:TRUE"},
    };
    for (const auto& [spec, fault] : rows) {
        Draft d;
        const auto ca = test::issue(spec, nullptr);
        const auto policy =
            d.file("ca.pem", ca.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem"));
        const auto client = test::issue(client_spec("api"), &ca);
        const auto refused = ask(*policy, client);
        CHECK_EQUAL(verdict(refused), "not-verified");
        CHECK_EQUAL(refused.detail, std::string("invalid CA certificate (at CA CN=Acme CA): ") + fault);
        const auto any = d.policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor ca.pem"));
        CHECK_EQUAL(verdict(ask(*any, client)) + ask(*any, client).detail, "not-verified" + refused.detail);
        CHECK_CONTAINS(advice_of(refused), "a CA basicConstraints and keyCertSign");
        CHECK_CONTAINS(said_by_lint(*policy), "\"CN=Acme CA\" is let in alone, and nothing that it issued: ");
        CHECK_CONTAINS(said_by_lint(*policy), fault);
        const auto stranger = ask(*policy, test::issue(client_spec("api"), nullptr));
        CHECK_EQUAL(verdict(stranger) + stranger.detail, "not-verified");
    }
    // A certificate for itself alone is no fault.
    Draft d;
    const auto pinned = test::issue(client_spec("api"), nullptr), ca = test::issue(ca_spec("Acme CA"), nullptr);
    const auto policy = d.file("pinned.pem", pinned.cert_pem())
                            .file("ca.pem", ca.cert_pem())
                            .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor pinned.pem ca.pem"));
    CHECK_EQUAL(verdict(ask(*policy, pinned)), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &ca))), "granted acme");
    CHECK(said_by_lint(*policy).find("nothing that it issued") == std::string::npos);
}

CLAIM(an_intermediate_that_is_no_ca_is_told_with_its_fault) {
    const auto root = test::issue(ca_spec("Root"), nullptr), stranger = test::issue(ca_spec("Stranger"), nullptr);
    CertSpec no_signing = ca_spec("Sub"), version_1 = ca_spec("Sub"), end_entity = ca_spec("Sub"),
             bare = ca_spec("Sub"), twice = ca_spec("Sub"), negative = ca_spec("Sub"), constrained = ca_spec("Sub");
    no_signing.key_usage = "critical,digitalSignature";
    version_1.version = 0;
    end_entity.ca = false;
    bare.basic_constraints = false;
    twice.raw = {{"2.5.29.19", std::string("\x30\x03\x01\x01\xff", 5)}};
    negative.basic_constraints = false;
    negative.raw = {{"2.5.29.19", std::string("\x30\x06\x01\x01\xff\x02\x01\xff", 8)}};
    constrained.raw = {{"2.5.29.30", std::string("\x30\x04\xa0\x02xx", 6)}};
    const std::pair<CertSpec, const char*> rows[] = {
        {no_signing, "invalid CA certificate (at CA CN=Sub): its keyUsage has no keyCertSign"},
        {version_1, "invalid CA certificate (at CA CN=Sub): it has no basicConstraints with CA:TRUE"},
        {end_entity, "invalid CA certificate (at CA CN=Sub): it has no basicConstraints with CA:TRUE"},
        {bare, "invalid CA certificate (at CA CN=Sub): it has no basicConstraints with CA:TRUE"},
        {twice, "malformed: "},
        {negative, "CN=Sub"},
        {constrained, "malformed: "},
    };
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    for (const auto& [spec, fault] : rows) {
        const auto sub = test::issue(spec, &root);
        const auto refused = ask(*policy, test::issue(client_spec("api"), &sub), {&sub});
        CHECK_EQUAL(verdict(refused), "not-verified");
        CHECK_CONTAINS(refused.detail, fault);
        CHECK_CONTAINS(refused.detail, "(at CA CN=Sub)");
        // Not where it is of no CA of the policy, nor of one that did not issue the certificate.
        const auto strange = test::issue(spec, &stranger);
        CHECK_EQUAL(ask(*policy, test::issue(client_spec("api"), &strange), {&strange}).detail, "");
        CHECK_EQUAL(ask(*policy, test::issue(client_spec("api"), &strange), {&sub}).detail, "");
    }
    const auto sub = test::issue(ca_spec("Sub"), &root);
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &sub), {&sub})), "granted acme");
}

CLAIM(a_proxy_certificate_is_told_that_it_is_one) {
    CertSpec ca_of_proxies = ca_spec("Root");
    ca_of_proxies.key_usage = "critical,keyCertSign";
    const auto root = test::issue(ca_of_proxies, nullptr);
    CertSpec spec = client_spec("api");
    spec.extensions = {{NID_proxyCertInfo, "critical,language:id-ppl-inheritAll"}};
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto refused = ask(*policy, test::issue(spec, &root));
    CHECK_EQUAL(verdict(refused), "wrong-issuer");
    CHECK_CONTAINS(refused.detail, "it is a proxy certificate");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &root))), "granted acme");
}

CLAIM(an_extension_that_openssl_cannot_use_is_named_as_the_fault) {
    const char* const fault =
        "an extension of it does not decode, is there twice, or has a value that RFC 5280 forbids";
    const auto root = test::issue(ca_spec("Root"), nullptr);
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CertSpec spec = client_spec("api");
    spec.extensions = {{NID_netscape_cert_type, "DER:0500"}};
    const auto by_leaf = ask(*policy, test::issue(spec, &root));
    CHECK_EQUAL(verdict(by_leaf), "wrong-issuer");
    CHECK_EQUAL(by_leaf.detail, std::string("OpenSSL cannot use it: ") + fault);
    CHECK_CONTAINS(advice_of(by_leaf), "does not have the form that RFC 5280 gives it");
    spec = ca_spec("Sub");
    spec.extensions = {{NID_netscape_cert_type, "DER:0500"}};
    const auto sub = test::issue(spec, &root);
    const auto by_ca = ask(*policy, test::issue(client_spec("api"), &sub), {&sub});
    CHECK_EQUAL(verdict(by_ca), "not-verified");
    CHECK_CONTAINS(by_ca.detail, fault);
    CHECK_CONTAINS(advice_of(by_ca), "does not have the form that RFC 5280 gives it");
    spec = client_spec("api");
    spec.extensions = {{NID_netscape_cert_type, "client"}};
    CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &root))), "granted acme");
}

CLAIM(a_ca_whose_end_cannot_be_read_is_malformed_and_not_expired) {
    const auto root = test::issue(ca_spec("Root"), nullptr), sub = test::issue(ca_spec("Sub"), &root);
    const auto odd_sub = with_odd_end(sub, root), odd_root = with_odd_end(root, root);
    const auto direct = test::issue(client_spec("api"), &root), below = test::issue(client_spec("api"), &sub);
    const auto under = [](const test::Identity& anchor) {
        Draft d;
        return d.file("ca.pem", anchor.cert_pem())
            .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem"));
    };
    CHECK_EQUAL(verdict(ask(*under(root), below, {&sub})), "granted acme");
    const auto by_sub = ask(*under(root), below, {&odd_sub});
    CHECK_EQUAL(verdict(by_sub), "wrong-issuer");
    CHECK_EQUAL(by_sub.detail, "malformed: validity: a date that cannot be read (at CA CN=Sub)");
    CHECK_CONTAINS(advice_of(by_sub), "does not have the form that RFC 5280 gives it");
    const auto policy = under(odd_root);
    const auto by_anchor = ask(*policy, direct);
    CHECK_EQUAL(by_anchor.detail, "malformed: validity: a date that cannot be read (at CA CN=Root)");
    CHECK(said_by_lint(*policy).find("expire") == std::string::npos);
    // One that is over says so.
    CertSpec over = ca_spec("Root");
    over.not_after = -60;
    const auto expired = test::issue(over, nullptr, key_of(root));
    CHECK_CONTAINS(ask(*under(expired), direct).detail, "certificate has expired");
    CHECK_CONTAINS(said_by_lint(*under(expired)), "expired on ");
}

CLAIM(a_ca_that_the_policy_names_by_a_faulty_certificate_is_named) {
    const auto root = test::issue(ca_spec("Root"), nullptr), good = test::issue(ca_spec("api"), &root);
    CertSpec no_signing = ca_spec("api"), twice = ca_spec("api"), odd = ca_spec("api"), negative = ca_spec("api"),
             two = ca_spec("api"), unread = ca_spec("api");
    no_signing.key_usage = "critical,digitalSignature,cRLSign";
    twice.raw = {{"2.5.29.14", std::string("\x04\x01x", 3)}};
    odd.key_identifiers = false;
    odd.raw = {{"2.5.29.35", std::string("\x04\x01x", 3)}};
    two.raw = {{"2.5.29.19", std::string("\x30\x00", 2)}};
    negative.basic_constraints = unread.basic_constraints = false;
    negative.raw = {{"2.5.29.19", std::string("\x30\x06\x01\x01\xff\x02\x01\xff", 8)}};
    unread.raw = {{"2.5.29.19", std::string("\x04\x01x", 3)}};
    const std::pair<CertSpec, const char*> rows[] = {
        {no_signing, "invalid CA certificate (at CA CN=api): its keyUsage has no keyCertSign"},
        {twice, "malformed: extension subjectKeyIdentifier occurs twice (at CA CN=api)"},
        {odd, "malformed: extension authorityKeyIdentifier does not decode (at CA CN=api)"},
        {two, "malformed: extension basicConstraints occurs twice (at CA CN=api)"},
        {negative, "invalid CA certificate (at CA CN=api): an extension of it does not decode, is there twice, or"},
        {unread, "malformed: extension basicConstraints does not decode (at CA CN=api)"},
    };
    const auto client = test::issue(client_spec("api"), &good);
    const auto policy_with = [&](Draft& d, const test::Identity& named, const std::string& identity) {
        return d.file("root.pem", root.cert_pem())
            .file("sub.pem", named.cert_pem())
            .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                    partner("globex", "MTLSIdentity " + identity + "\nMTLSTrustAnchor sub.pem"));
    };
    for (const std::string identity : {"CN:api", "any"}) {
        Draft fine;
        CHECK_EQUAL(verdict(ask(*policy_with(fine, good, identity), client)), "granted globex");
        for (const auto& [spec, fault] : rows) {
            Draft d;
            const auto named = test::issue(spec, &root, key_of(good));
            const auto policy = policy_with(d, named, identity);
            for (const auto& sent : {std::vector<const test::Identity*>{}, {&good}, {&named}}) {
                const auto refused = ask(*policy, client, sent);
                CHECK_EQUAL(verdict(refused), "wrong-issuer");
                CHECK_CONTAINS(refused.detail, fault);
            }
            // Nor is its own certificate, issued again, a client of the CA above.
            CHECK_EQUAL(verdict(ask(*policy, good)), "wrong-issuer");
            const std::string said = said_by_lint(*policy);
            CHECK(said.find("let in alone") == std::string::npos);
            CHECK(said.find("keyCertSign") == std::string::npos || &spec == &rows[0].first);
        }
    }
    // A CA that nobody names by it is the CA's above.
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CHECK_EQUAL(verdict(ask(*policy, client, {&good})), "granted acme");
}

CLAIM(a_self_issued_certificate_that_names_no_key_is_told_so) {
    const auto old = test::issue(ca_spec("Acme CA"), nullptr);
    Draft d;
    const auto policy =
        d.file("old.pem", old.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor old.pem"));
    for (const bool names_key : {true, false}) {
        CertSpec spec = ca_spec("Acme CA");
        spec.key_identifiers = names_key;
        const auto renewed = test::issue(spec, &old);
        const auto answer = ask(*policy, test::issue(client_spec("api"), &renewed), {&renewed});
        CHECK_EQUAL(verdict(answer), names_key ? "granted acme" : "wrong-issuer");
        if (!names_key) CHECK_CONTAINS(answer.detail, "(it is self-issued, and has no authorityKeyIdentifier)");
    }
}

CLAIM(an_issuer_that_is_only_a_name_is_warned_of) {
    const auto root = test::issue(ca_spec("Root"), nullptr), sub = test::issue(ca_spec("Sub"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("sub.pem", sub.cert_pem());
    const std::string key = "issuer.spki-sha256:" + hex(bytes_of(spki_sha256(*sub.cert)));
    const auto warns = [&](const std::string& lines) {
        const auto policy = d.policy(partner("acme", lines));
        return said_by_lint(*policy).find("is only a name, and none of its trust anchors bears it") !=
               std::string::npos;
    };
    for (const std::string name : {"issuer:CN=Sub", "issuer.CN:Sub"}) {
        CHECK(warns("MTLSIdentity CN:api " + name + "\nMTLSTrustAnchor root.pem"));
        CHECK(warns("MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSGrant GET /a if " + name));
        CHECK(warns("MTLSIdentity CN:api " + name + " anchor=root.pem\nMTLSTrustAnchor root.pem sub.pem"));
        CHECK(!warns("MTLSIdentity CN:api " + name + "\nMTLSTrustAnchor sub.pem"));
        CHECK(!warns("MTLSIdentity CN:api " + name + "\nMTLSTrustAnchor root.pem sub.pem"));
        CHECK(!warns("MTLSIdentity CN:api " + name + " " + key + "\nMTLSTrustAnchor root.pem"));
        CHECK(!warns("MTLSIdentity CN:api !" + name + "\nMTLSTrustAnchor root.pem"));
        CHECK(!warns("MTLSIdentity CN:api " + name + "\nMTLSTrustAnchor mod_ssl"));
    }
}
