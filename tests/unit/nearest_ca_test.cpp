// What is above a certificate, whatever its client sends: the CAs of the policy, and those of mod_ssl.

#include <openssl/objects.h>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/decoded_certificates.hpp"
#include "mtls_authz/certificate/public_key.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

std::string fingerprint(const test::Identity& ca) { return "sha256:" + test::hex_sha256(ca); }
std::string key_of(const test::Identity& ca) { return "spki-sha256:" + hex(bytes_of(spki_sha256(*ca.cert))); }

ServerCas server_with(std::initializer_list<const test::Identity*> cas) {
    ServerCas out;
    for (const test::Identity* ca : cas) out.certificates.push_back(share(*ca->cert));
    return out;
}

}  // namespace

CLAIM(a_revoked_ca_of_mod_ssl_counts_though_the_client_leaves_out_its_intermediate) {
    const auto root = test::make_ca("Root"), middle = test::make_ca("Middle", &root),
               issuing = test::make_ca("Issuing", &middle), other = test::make_ca("Other");
    const auto leaf = test::issue(client_spec("api"), &issuing);
    const ServerCas server = server_with({&root, &middle, &issuing});
    Draft d;
    const auto said = [&](const std::string& revoked, const std::vector<const test::Identity*>& sent) {
        const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor mod_ssl") + revoked);
        return verdict(ask(*policy, leaf, sent, now(), server));
    };
    for (const std::vector<const test::Identity*>& sent :
         {std::vector<const test::Identity*>(), {&issuing}, {&issuing, &middle}}) {
        CHECK_EQUAL(said("", sent), "granted acme");
        CHECK_EQUAL(said("MTLSRevoke " + key_of(other) + "\n", sent), "granted acme");
        for (const test::Identity* ca : {&root, &middle, &issuing}) {
            const std::string name = "\"subject:" + read_facts(*ca->cert).subject.text() + "\"";
            for (const std::string& selector : {fingerprint(*ca), key_of(*ca), "issuer." + key_of(*ca), name}) {
                CHECK_EQUAL(said("MTLSRevoke " + selector + "\n", sent), "revoked");
            }
        }
    }
}

CLAIM(mod_ssls_cas_count_for_no_partner_below_a_named_one_whatever_the_client_sends) {
    const auto root = test::make_ca("Globex Root"), issuing = test::make_ca("Globex Issuing", &root),
               other = test::make_ca("Other");
    Draft d;
    const auto policy = d.file("globex.pem", root.cert_pem())
                            .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor mod_ssl") +
                                    partner("globex", "MTLSIdentity CN:globex\nMTLSTrustAnchor globex.pem"));
    const ServerCas server = server_with({&root, &issuing, &other});
    const auto forged = test::issue(client_spec("api"), &issuing);
    CHECK_EQUAL(verdict(ask(*policy, forged, {}, now(), server)), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, forged, {&issuing}, now(), server)), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &other), {}, now(), server)), "granted acme");
}

CLAIM(a_revoked_ca_above_an_anchor_refuses_what_is_below_it) {
    const auto root = test::make_ca("Root"), issuing = test::make_ca("Issuing", &root), other = test::make_ca("Other");
    const auto leaf = test::issue(client_spec("api"), &issuing);
    Draft d;
    d.file("both.pem", root.cert_pem() + issuing.cert_pem())
        .file("issuing.pem", issuing.cert_pem())
        .file("pinned.pem", leaf.cert_pem() + issuing.cert_pem());
    const auto said = [&](const std::string& anchor, const std::string& revoked) {
        const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor " + anchor) + revoked);
        return verdict(ask(*policy, leaf, {&root}));
    };
    CHECK_EQUAL(said("both.pem", ""), "granted acme");
    CHECK_EQUAL(said("pinned.pem", ""), "granted acme");
    for (const auto selector : {fingerprint, key_of}) {
        CHECK_EQUAL(said("both.pem", "MTLSRevoke " + selector(root) + "\n"), "revoked");
        CHECK_EQUAL(said("both.pem", "MTLSRevoke " + selector(other) + "\n"), "granted acme");
        CHECK_EQUAL(said("pinned.pem", "MTLSRevoke " + selector(issuing) + "\n"), "revoked");
        CHECK_EQUAL(said("pinned.pem", "MTLSRevoke " + selector(other) + "\n"), "granted acme");
        // Only the client has it here, and it could leave it out.
        CHECK_EQUAL(said("issuing.pem", "MTLSRevoke " + selector(root) + "\n"), "granted acme");
    }
}

CLAIM(a_ca_under_a_new_key_is_named_by_its_serial_number_with_and_without_key_identifiers) {
    for (const bool identifiers : {true, false}) {
        test::CertSpec spec;
        spec.subject = {{"CN", "Acme CA"}};
        spec.ca = true;
        spec.key_identifiers = identifiers;
        const auto old = test::issue(spec, nullptr);
        spec.serial = "0abc";
        const auto renewed = test::issue(spec, &old);
        spec.serial = "0abd";
        const auto itself = test::issue(spec, nullptr);
        Draft d;
        d.file("renewed.pem", renewed.cert_pem()).file("itself.pem", itself.cert_pem());
        const auto said = [&](const std::string& anchor, const test::Identity& ca, const std::string& serial) {
            const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor " + anchor) +
                                         "MTLSRevoke \"issuer:CN=Acme CA\" cert-serial:" + serial + "\n");
            return verdict(ask(*policy, test::issue(client_spec("api"), &ca)));
        };
        CHECK_EQUAL(said("renewed.pem", renewed, "0abc"), "revoked");
        CHECK_EQUAL(said("renewed.pem", renewed, "0abd"), "granted acme");
        // One that signed itself numbers itself like what it issued.
        CHECK_EQUAL(said("itself.pem", itself, "0abd"), "granted acme");
    }
}

CLAIM(a_certificate_of_version_1_among_mod_ssls_cas_issues_nothing) {
    test::CertSpec spec = client_spec("old");
    spec.version = 0;
    const auto old = test::issue(spec, nullptr), ca = test::make_ca("CA");
    Draft d;
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor mod_ssl"));
    const ServerCas server = server_with({&old, &ca});
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &old), {}, now(), server)), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &ca), {}, now(), server)), "granted acme");
}

CLAIM(a_key_under_an_identifier_that_has_another_form_is_malformed) {
    const auto said = [](const test::Identity& who, int algorithm, int type, void* parameters) {
        unsigned char* key = nullptr;
        const int size = i2d_PublicKey(who.key.get(), &key);
        CHECK(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(who.cert.get()), OBJ_nid2obj(algorithm), type, parameters,
                                     key, size) == 1);
        return key_fault(*who.cert);
    };
    const auto rsa = test::issue(client_spec("api"), nullptr, EvpPkeyPtr(EVP_RSA_gen(2048)));
    CHECK_EQUAL(key_fault(*rsa.cert), "");
    CHECK_EQUAL(said(rsa, NID_rsaEncryption, V_ASN1_NULL, nullptr), "");
    CHECK_CONTAINS(said(rsa, NID_rsa, V_ASN1_NULL, nullptr), "RSA under X.500's object identifier");
    CHECK_CONTAINS(said(rsa, NID_rsaEncryption, V_ASN1_UNDEF, nullptr), "parameters that are not NULL");
    const auto ec = test::issue(client_spec("api"), nullptr);
    CHECK_EQUAL(said(ec, NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1)), "");
    CHECK_CONTAINS(said(ec, NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, OBJ_nid2obj(NID_wap_wsg_idm_ecid_wtls12)),
                   "under WAP's object identifier");
    CHECK_CONTAINS(said(ec, NID_X9_62_id_ecPublicKey, V_ASN1_SEQUENCE, ASN1_STRING_new()), "not named");
}

CLAIM(a_pkcs7_without_content_is_no_file_of_certificates) {
    for (const char kind : {'\x02', '\x04'}) {
        const std::string bytes = std::string("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", 12) + kind;
        CHECK(!decode_certificates(bytes).ok());
        CHECK_EQUAL(decode_crls(bytes).lists.size(), 0U);
    }
}

// Of the policy, it is asked; of a client, whose made-up certificates could take a processor's time, it is not.
CLAIM(a_costly_key_is_asked_where_the_policy_names_its_ca_alone) {
    const std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> ctx(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    BIGNUM* read = nullptr;
    BN_hex2bn(&read, "10000000000000015");  // 65 bits
    const BignumPtr exponent(read);
    EVP_PKEY* made = nullptr;
    CHECK(EVP_PKEY_keygen_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), 2048) == 1 &&
          EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx.get(), exponent.get()) == 1 &&
          EVP_PKEY_keygen(ctx.get(), &made) == 1);
    const test::Identity root = make_ca("Root"), sub = make_ca("Sub", &root, EvpPkeyPtr(made)),
                         leaf = make_client("api", "api.example", sub);
    Draft draft;
    draft.file("root.pem", root.cert_pem()).file("sub.pem", sub.cert_pem());
    const std::string lines = "MTLSIdentity any\nMTLSTrustAnchor root.pem\n";
    const auto bare = draft.policy(partner("acme", lines));
    const auto answer = ask(*bare, leaf, {&sub}, now(), {}, {}, {});
    CHECK_EQUAL(word_of(answer.reason), "not-verified");
    CHECK_CONTAINS(answer.detail, "with a public exponent of more than 64");
    const auto named = draft.policy(partner("acme", lines + "MTLSIntermediate sub.pem\n"));
    CHECK_EQUAL(word_of(ask(*named, leaf, {&sub}, now(), {}, {}, {}).reason), "granted");
}
