// Revocations, CRLs and changed files, as a policy decides on them.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/tell/refusal_report.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

CLAIM(a_revocation_refuses_whoever_it_fits_and_nobody_else) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), server_ca = test::make_ca("Server CA");
    const auto leaf = test::issue(client_spec("api"), &root), deep = test::issue(client_spec("api"), &sub);
    const auto digest = [](const std::string& raw) { return hex(bytes_of(raw)); };
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto with = [&](const std::string& revoke) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") + "MTLSRevoke " + revoke +
                        "\n");
    };
    const std::string serial = read_facts(*leaf.cert).serial;
    const std::string issuer = "\"issuer:CN=Root,O=Root Inc,C=US\" ";
    struct Row {
        std::string revoke;
        bool leaf, deep;
    };
    const std::string serial_of_sub = read_facts(*sub.cert).serial;
    const Row rows[] = {
        {"sha256:" + test::hex_sha256(leaf), true, false},
        // As CAs and CRLs name an intermediate.
        {issuer + "cert-serial:" + serial_of_sub, false, true},
        {issuer + "cert-serial:0" + serial_of_sub + " \"!subject:CN=Other\"", false, true},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)) + " cert-serial:" + serial_of_sub, false, true},
        {"\"subject:CN=Sub,O=Sub Inc,C=US\"", false, true},
        {issuer + "\"subject:CN=Sub,O=Sub Inc,C=US\" cert-serial:" + serial_of_sub, false, true},
        {issuer + "\"subject:CN=Sub,O=Sub Inc,C=US\" !cert-serial:" + serial_of_sub, false, false},
        {"\"subject:CN=Sub,O=Sub Inc,C=US\" EKU:clientAuth", false, false},
        {"\"subject:CN=Root,O=Root Inc,C=US\"", true, true},
        {"\"issuer:CN=Sub,O=Sub Inc,C=US\" cert-serial:" + serial_of_sub, false, false},
        {issuer + "cert-serial:" + read_facts(*root.cert).serial, false, false},
        {issuer, true, false},
        {"spki-sha256:" + digest(spki_sha256(*leaf.cert)), true, false},
        {issuer + "cert-serial:" + serial, true, false},
        {issuer + "cert-serial:01", false, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)) + " cert-serial:" + serial, true, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"issuer.spki-sha256:" + digest(spki_sha256(*sub.cert)), false, true},
        {"sha256:" + test::hex_sha256(sub), false, true},
        {"spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"CN:api", true, true},
        {"CN:other", false, false},
        {"O:Acme !CN:api", false, false},
    };
    for (const Row& row : rows) {
        const auto policy = with(row.revoke);
        test::check_equal(verdict(ask(*policy, leaf)), row.leaf ? "revoked" : "granted acme", row.revoke, __FILE__,
                          __LINE__);
        test::check_equal(verdict(ask(*policy, deep, {&sub})), row.deep ? "revoked" : "granted acme", row.revoke,
                          __FILE__, __LINE__);
    }
    // A repeated attribute does not escape it.
    test::CertSpec twice = client_spec("good");
    twice.subject.push_back({"CN", "bad"});
    CHECK_EQUAL(verdict(ask(*with("CN:bad"), test::issue(twice, &root))), "revoked");
    CHECK_EQUAL(verdict(ask(*with("CN:worse"), test::issue(twice, &root))), "granted acme");
    // Nor does a second URI beside a SPIFFE ID, which could then be any.
    test::CertSpec spiffe = client_spec("good");
    spiffe.san = {{GEN_URI, "spiffe://td/other"}, {GEN_URI, "https://a.example.org/"}};
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/stolen"), test::issue(spiffe, &root))), "revoked");
    spiffe.san.pop_back();
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/stolen"), test::issue(spiffe, &root))), "granted acme");
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/other"), test::issue(spiffe, &root))), "revoked");
    // Nor a UPN in another string type than its own.
    test::CertSpec odd = client_spec("good");
    odd.extensions = {{NID_subject_alt_name, "otherName:1.3.6.1.4.1.311.20.2.3;IA5STRING:A@acme.example"}};
    CHECK_EQUAL(verdict(ask(*with("UPN:a@acme.example"), test::issue(odd, &root))), "revoked");
    CHECK_EQUAL(verdict(ask(*with("UPN:b@acme.example"), test::issue(odd, &root))), "granted acme");
    // A CA that only mod_ssl knows.
    ServerCas server;
    server.certificates.push_back(share(*server_ca.cert));
    const auto other = with("issuer.spki-sha256:" + digest(spki_sha256(*server_ca.cert)));
    CHECK_EQUAL(verdict(ask(*other, test::issue(client_spec("x"), &server_ca), {}, now(), server)), "revoked");
    const auto answer = ask(*with("CN:api \"note=stolen laptop\""), leaf);
    CHECK_CONTAINS(answer.detail, "MTLSRevoke at p.conf:5: stolen laptop");
    CHECK_EQUAL(answer.claimed.size(), 1U);
}

CLAIM(a_fingerprint_refuses_both_forms_of_an_ecdsa_signature) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), server_ca = test::make_ca("Server CA");
    const auto sub_twin = twin_of(sub, root);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto with = [&](const std::string& identity, const std::string& more) {
        return d.policy(
            partner("acme", "MTLSIdentity " + identity + "\nMTLSTrustAnchor root.pem\nMTLSTrustAnchor mod_ssl") + more);
    };
    // Signatures differ in length by their integers' leading bits: several of each.
    for (int i = 0; i < 20; ++i) {
        const auto leaf = test::issue(client_spec("api"), &root), other = test::issue(client_spec("api"), &root);
        const auto twin = twin_of(leaf, root);
        const auto revoked = with("O:Acme", "MTLSRevoke sha256:" + test::hex_sha256(leaf) + "\n");
        CHECK_EQUAL(verdict(ask(*revoked, leaf)), "revoked");
        CHECK_EQUAL(verdict(ask(*revoked, twin)), "revoked");
        CHECK_EQUAL(verdict(ask(*revoked, other)), "granted acme");
        const auto all_but_one = with("\"O:Acme\" !sha256:" + test::hex_sha256(leaf), "");
        CHECK_EQUAL(verdict(ask(*all_but_one, leaf)), "unknown-partner");
        CHECK(ask(*all_but_one, twin).partner == nullptr);
        CHECK_EQUAL(verdict(ask(*all_but_one, other)), "granted acme");
        CHECK(ask(*with("sha256:" + test::hex_sha256(leaf), ""), twin).partner == nullptr);
    }
    const auto deep = test::issue(client_spec("api"), &sub);
    const auto revoked = with("O:Acme", "MTLSRevoke sha256:" + test::hex_sha256(sub) + "\n");
    CHECK_EQUAL(verdict(ask(*revoked, deep, {&sub})), "revoked");
    CHECK_EQUAL(verdict(ask(*revoked, deep, {&sub_twin})), "revoked");
    CHECK_EQUAL(verdict(ask(*with("O:Acme", ""), deep, {&sub_twin})), "granted acme");
    // Under a CA that only mod_ssl knows.
    ServerCas server;
    server.certificates.push_back(share(*server_ca.cert));
    const auto leaf = test::issue(client_spec("api"), &server_ca);
    const auto by_server = with("O:Acme", "MTLSRevoke sha256:" + test::hex_sha256(leaf) + "\n");
    CHECK_EQUAL(verdict(ask(*by_server, twin_of(leaf, server_ca), {}, now(), server)), "revoked");
    CHECK_EQUAL(verdict(ask(*with("O:Acme", ""), twin_of(leaf, server_ca), {}, now(), server)), "granted acme");
}

CLAIM(a_revocation_by_key_refuses_each_encoding_of_it) {
    const auto root = test::make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto with = [&](const std::string& revoke) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") + "MTLSRevoke " + revoke +
                        "\n");
    };
    const auto pin = [](const test::Identity& id) { return "spki-sha256:" + hex(bytes_of(spki_sha256(*id.cert))); };
    const auto in_form = [&](const EvpPkeyPtr& key, const char* form, const test::Identity& by, bool is_ca = false) {
        EvpPkeyPtr other(EVP_PKEY_dup(key.get()));
        CHECK(EVP_PKEY_set_utf8_string_param(other.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form) == 1);
        test::CertSpec spec = client_spec("api");
        if (is_ca) spec = {};
        if (is_ca) spec.subject = {{"CN", "Sub"}};
        spec.ca = is_ca;
        return test::issue(spec, &by, std::move(other));
    };
    const char* const forms[] = {"uncompressed", "compressed", "hybrid"};
    const EvpPkeyPtr key = test::make_key(), ca_key = test::make_key();
    const test::Identity another = test::issue(client_spec("api"), &root);
    for (const char* const named : forms) {
        const test::Identity pinned = in_form(key, named, root), ca = in_form(ca_key, named, root, true);
        const auto by_key = with(pin(pinned)), by_ca = with(pin(ca)), by_issuer = with("issuer." + pin(ca)),
                   but_one = with("O:Acme !" + pin(pinned));
        for (const char* const form : forms) {
            const test::Identity leaf = in_form(key, form, root), sub = in_form(ca_key, form, root, true);
            const test::Identity deep = test::issue(client_spec("api"), &sub);
            CHECK_EQUAL(verdict(ask(*by_key, leaf)), "revoked");
            CHECK_EQUAL(verdict(ask(*by_ca, deep, {&sub})), "revoked");
            CHECK_EQUAL(verdict(ask(*by_issuer, deep, {&sub})), "revoked");
            CHECK_EQUAL(verdict(ask(*but_one, leaf)), named == form ? "granted acme" : "revoked");
            CHECK_EQUAL(verdict(ask(*by_key, another)), "granted acme");
            CHECK_EQUAL(verdict(ask(*by_ca, another)), "granted acme");
            // Who is named by a key has it as it was named.
            const auto known = d.policy(partner("acme", "MTLSIdentity " + pin(pinned) + "\nMTLSTrustAnchor root.pem"));
            CHECK_EQUAL(verdict(ask(*known, leaf)) == "granted acme", named == form);
            CHECK_EQUAL(key_sha256(*leaf.cert), key_sha256(*pinned.cert));
        }
    }
}

using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

CLAIM(an_rsa_key_is_revoked_under_each_usual_identifier) {
    const auto root = test::make_ca("Root");
    const EvpPkeyPtr key(EVP_RSA_gen(2048)), other_key(EVP_RSA_gen(2048));
    const auto leaf_of = [&](const EvpPkeyPtr& rsa) {
        return test::issue(client_spec("api"), &root, EvpPkeyPtr(EVP_PKEY_dup(rsa.get())));
    };
    const auto leaf = leaf_of(key), other = leaf_of(other_key);
    Draft d;
    d.file("root.pem", root.cert_pem());
    for (const char* const digest : {"SHA256", "SHA384", "SHA512"}) {
        const EVP_MD* const md = EVP_get_digestbyname(digest);
        const KeyContextPtr ctx(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, nullptr));
        EVP_PKEY* made = nullptr;
        CHECK(EVP_PKEY_keygen_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), 2048) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_md(ctx.get(), md) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(ctx.get(), md) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx.get(), EVP_MD_get_size(md)) == 1 &&
              EVP_PKEY_keygen(ctx.get(), &made) == 1);
        const EvpPkeyPtr pss(made);
        // The same identifier around the other key.
        std::string encoded = encode(i2d_PUBKEY, *pss);
        const std::string ours = encode(i2d_PublicKey, *key);
        CHECK_EQUAL(encoded[encoded.size() - ours.size()], '\x30');
        encoded.replace(encoded.size() - ours.size(), ours.size(), ours);
        const auto policy = d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") +
                                     "MTLSRevoke spki-sha256:" + hex(bytes_of(sha256(encoded))) + "\n");
        CHECK_EQUAL(verdict(ask(*policy, leaf)), "revoked");
        CHECK_EQUAL(verdict(ask(*policy, other)), "granted acme");
    }
}

CLAIM(a_negative_serial_is_revoked_by_its_number_and_by_its_octets) {
    const auto root = test::make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto answer = [&](const std::string& serial, const test::Identity& who) {
        return verdict(ask(*d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") +
                                     "MTLSRevoke \"issuer:CN=Root,O=Root Inc,C=US\" cert-serial:" + serial + "\n"),
                           who));
    };
    const auto numbered = [&](const std::string& serial) {
        test::CertSpec spec = client_spec("api");
        spec.serial = serial;
        return test::issue(spec, &root);
    };
    const test::Identity negative = numbered("-9F0"), positive = numbered("F610"), small = numbered("9F0");
    for (const char* const form : {"-9f0", "-09:F0", "f610", "F6:10"}) CHECK_EQUAL(answer(form, negative), "revoked");
    CHECK_EQUAL(answer("9f0", negative), "granted acme");
    CHECK_EQUAL(answer("f610", positive), "revoked");
    CHECK_EQUAL(answer("-9f0", positive), "granted acme");
    CHECK_EQUAL(answer("-9f0", small), "granted acme");
}

CLAIM(a_revocation_that_would_refuse_nobody_is_an_error) {
    const std::pair<std::string, const char*> rows[] = {
        {"", "expected SELECTOR..."},
        {"!CN:x", "without '!'"},
        {"cert-serial:0a", "says nothing without its issuer"},
        {"cert-serial:0a !issuer:CN=x", "says nothing without its issuer"},
        {"subject:C=US,O=Acme,CN=api", "reads as if it was in reverse"},
        {"CN:a*", "no wildcards"},
        {"DSN:x", "did you mean 'DNS'?"},
        {"issuer:O=Root,CN=Root", "reads as if it was in reverse"},
        {"subject:C=US,CN=api,serialNumber=1", "reads as if it was in reverse"},
        {"issuer:CN=Root serialNumber:7F01", "cert-serial:"},
        {"serialNumber:0x7f01 issuer:CN=Root \"note=x y\"", "cert-serial:"},
        {"issuer.CN:Root serialNumber:7F:01", "cert-serial:"},
        {"issuer:CN=Root cert-serial:725026301842309862170128390112", "reads like a decimal number"},
        {"sha1:00", "use sha256:"},
        {"sha256:" + std::string(64, '1') + " sha256:" + std::string(64, '2'), "each on a line of its own"},
        {"CN:a !CN:a", "no certificate has both"},
        {"subject:CN=a CN:b", "no certificate has both"},
        {"DNS:a.b.example !DNS:*.b.example", "no certificate has both"},
    };
    for (const auto& [args, message] : rows) {
        const auto parsed = read_revocation({"MTLSRevoke", args, {"p.conf", 1}, false, {}});
        test::check(!parsed.ok(), args, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.error(), message);
    }
    for (const char* args : {"\"serialNumber:HRB 4711\"", "issuer:CN=Root \"serialNumber:HRB 4711\"",
                             "serialNumber:7f01", "issuer:CN=Root cert-serial:0x00000000007250263018423098621701",
                             "DNS:a.example DNS:b.example", "issuer:/CN=Root/O=Root", "subject:CN=api,O=Acme,C=US",
                             "sha256:"
                             "1111111111111111111111111111111111111111111111111111111111111111 !CN:a"}) {
        const auto parsed = read_revocation({"MTLSRevoke", args, {"p.conf", 1}, false, {}});
        test::check(parsed.ok(), parsed.ok() ? "" : parsed.error(), __FILE__, __LINE__);
    }
}
