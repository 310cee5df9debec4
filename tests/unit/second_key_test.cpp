// To a signature of ECDSA or RSA, anybody can make a second key that verifies it. Nobody's list or certificate is taken
// from its CA by a certificate with such a key.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundles.hpp"
#include "claims.hpp"
#include "crl_site.hpp"
#include "lists.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;
using namespace test::lists;

namespace {

using GroupPtr = std::unique_ptr<EC_GROUP, FreeWith<EC_GROUP_free>>;
using PointPtr = std::unique_ptr<EC_POINT, FreeWith<EC_POINT_free>>;
using ContextPtr = std::unique_ptr<BN_CTX, FreeWith<BN_CTX_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;

EvpPkeyPtr key_of(const EC_GROUP& group, const EC_POINT& point) {
    std::string octets(65, '\0');
    CHECK(EC_POINT_point2oct(&group, &point, POINT_CONVERSION_UNCOMPRESSED,
                             reinterpret_cast<unsigned char*>(octets.data()), octets.size(), nullptr) == 65);
    const std::string algorithm =
        der_element(V_ASN1_OBJECT, std::string("\x2a\x86\x48\xce\x3d\x02\x01", 7)) +     // id-ecPublicKey
        der_element(V_ASN1_OBJECT, std::string("\x2a\x86\x48\xce\x3d\x03\x01\x07", 8));  // P-256
    const std::string spki = der_element(
        V_ASN1_SEQUENCE, der_element(V_ASN1_SEQUENCE, algorithm) + der_element(V_ASN1_BIT_STRING, '\0' + octets));
    const auto* at = bytes_of(spki).data();
    EvpPkeyPtr out(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    CHECK(out != nullptr);
    return out;
}

// The other key that verifies this signature of SHA-256 with P-256: Q = (sR - zG) / r, where R is one of the two points
// with the abscissa r.
EvpPkeyPtr second_key(const std::string& signed_part, std::string_view signature, const EVP_PKEY& own) {
    const GroupPtr group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    const ContextPtr ctx(BN_CTX_new());
    const auto* at = bytes_of(signature).data();
    const SignaturePtr read(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size())));
    const std::string digest = sha256(signed_part);
    const BignumPtr z(BN_bin2bn(bytes_of(digest).data(), 32, nullptr)), inverse(BN_new()), u(BN_new()), v(BN_new());
    const BIGNUM* const order = EC_GROUP_get0_order(group.get());
    CHECK(BN_mod_inverse(inverse.get(), ECDSA_SIG_get0_r(read.get()), order, ctx.get()) != nullptr);
    CHECK(BN_mod_mul(u.get(), z.get(), inverse.get(), order, ctx.get()) == 1 && BN_sub(u.get(), order, u.get()) == 1);
    CHECK(BN_mod_mul(v.get(), ECDSA_SIG_get0_s(read.get()), inverse.get(), order, ctx.get()) == 1);
    for (const int sign : {0, 1}) {
        const PointPtr r(EC_POINT_new(group.get())), q(EC_POINT_new(group.get()));
        CHECK(EC_POINT_set_compressed_coordinates(group.get(), r.get(), ECDSA_SIG_get0_r(read.get()), sign,
                                                  ctx.get()) == 1);
        CHECK(EC_POINT_mul(group.get(), q.get(), u.get(), r.get(), v.get(), ctx.get()) == 1);
        EvpPkeyPtr out = key_of(*group, *q);
        if (EVP_PKEY_eq(out.get(), &own) != 1) return out;
    }
    throw std::runtime_error("there is no second key");
}

std::string signed_part_of(const std::string& der) {
    DerReader whole(der);
    return std::string(DerReader(whole.next()->content).next()->encoding);
}

EvpPkeyPtr second_key_of(const X509_CRL& list, const test::Identity& signer) {
    const ASN1_BIT_STRING* signature = nullptr;
    X509_CRL_get0_signature(&list, &signature, nullptr);
    return second_key(signed_part_of(der_of(list)), octets_of(*signature), *signer.key);
}

EvpPkeyPtr second_key_of(const test::Identity& who, const test::Identity& issuer) {
    const ASN1_BIT_STRING* signature = nullptr;
    X509_get0_signature(&signature, nullptr, who.cert.get());
    return second_key(signed_part_of(encode(i2d_X509, *who.cert)), octets_of(*signature), *issuer.key);
}

// A CA's certificate with a key whose private part nobody has.
test::Identity ca_with(const std::string& cn, EvpPkeyPtr key, const test::Identity& issuer) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.key_identifiers = false;
    return issue(spec, &issuer, std::move(key));
}

// Partners with one anchor each, whom `any` of its certificates identifies.
std::shared_ptr<const Policy> policy_of(const std::vector<std::pair<std::string, const test::Identity*>>& anchors) {
    Draft draft;
    std::string text;
    for (const auto& [name, ca] : anchors) {
        draft.file(name + ".pem", ca->cert_pem());
        text += partner(name, "MTLSIdentity any\nMTLSTrustAnchor " + name + ".pem\n");
    }
    return draft.policy(text);
}

}  // namespace

CLAIM(a_second_key_of_a_lists_signature_takes_the_list_from_no_signer) {
    const test::Identity root = ca_named("Root", nullptr), other = ca_named("Other", nullptr),
                         ca = ca_named("CA", &root);
    const test::Identity bad = make_client("b", "b.example", ca), good = make_client("g", "g.example", ca);
    X509CrlPtr list = make_list(list_by(ca, {&bad}));
    const test::Identity second = ca_with("CA", second_key_of(*list, ca), other);
    const Site site(root.cert_pem());
    const std::vector<const test::Identity*> with_own = {&ca}, with_both = {&ca, &second},
                                             second_first = {&second, &ca};
    for (const std::vector<const test::Identity*>& known :
         {std::vector<const test::Identity*>{}, {&second}, {&second, &ca}, {&ca, &second}}) {
        for (const auto* sent : {&with_both, &second_first, &with_own}) {
            CrlSet crls;
            const CasByName cas = [&](const std::string& name) {
                std::vector<X509Ptr> out;
                for (const test::Identity* one : known) {
                    if (name == read_name(*X509_get_subject_name(one->cert.get())).canonical)
                        out.push_back(share(*one->cert));
                }
                return out;
            };
            X509CrlPtr copy(X509_CRL_dup(list.get()));
            auto read = Crl::read(std::move(copy));
            CHECK(read.ok());
            CHECK_EQUAL(crls.add(read.value(), cas, now()), "");
            auto of_root = Crl::read(make_list(list_by(root)));
            CHECK_EQUAL(crls.add(of_root.value(), cas, now()), "");
            CHECK_EQUAL(site.answers(bad, crls, *sent), "revoked revoked");
            CHECK_EQUAL(site.answers(good, crls, *sent), "granted granted");
        }
    }
}

// A list that the stranger's key is remembered of would stay beside each newer one.
CLAIM(a_strangers_second_key_sent_by_a_client_is_not_remembered_of_a_list) {
    const test::Identity root = ca_named("Root", nullptr), other = ca_named("Other", nullptr),
                         ca = ca_named("CA", &root);
    const test::Identity bad = make_client("b", "b.example", ca);
    X509CrlPtr list = make_list(list_by(ca, {&bad}));
    const test::Identity second = ca_with("CA", second_key_of(*list, ca), other);
    const Site site(root.cert_pem());
    const CasByName known = [&](const std::string& name) {
        std::vector<X509Ptr> out;
        if (name == read_name(*X509_get_subject_name(ca.cert.get())).canonical) out.push_back(share(*ca.cert));
        return out;
    };
    CrlSet crls;
    CHECK_EQUAL(crls.add(Crl::read(std::move(list)).value(), known, now()), "");
    CHECK_EQUAL(Site::word(*site.lax, bad, crls, {&ca, &second}), "revoked");
    ListSpec newer = list_by(ca, {&bad});
    newer.number = 2;
    CHECK_EQUAL(crls.add(Crl::read(make_list(newer)).value(), known, now()), "");
    CHECK_EQUAL(crls.size(), 1U);
}

CLAIM(a_certificate_that_two_anchors_keys_verify_is_nobodys) {
    const test::Identity ca = ca_named("CA", nullptr), other = ca_named("Other", nullptr);
    CertSpec spec = client_spec("api");
    spec.key_identifiers = false;
    const test::Identity leaf = issue(spec, &ca), fine = issue(spec, &ca);
    const test::Identity second = ca_with("CA", second_key_of(leaf, ca), other);
    const auto both = policy_of({{"acme", &ca}, {"globex", &second}});
    const auto answer = ask(*both, leaf, {}, now(), {}, {}, {});
    CHECK_EQUAL(word_of(answer.reason), "wrong-issuer");
    CHECK_CONTAINS(answer.detail, "two CAs of the policy");
    CHECK_EQUAL(Site::word(*both, fine, {}), "granted");
    const auto alone = policy_of({{"acme", &ca}});
    CHECK_EQUAL(Site::word(*alone, leaf, {}), "granted");
}

// With an authorityKeyIdentifier, OpenSSL takes no CA of another subjectKeyIdentifier for the issuer.
CLAIM(a_second_key_that_the_authority_key_identifier_excludes_changes_nothing) {
    const test::Identity ca = ca_named("CA", nullptr), other = ca_named("Other", nullptr);
    const test::Identity leaf = make_client("api", "api.example", ca);
    CertSpec spec;
    spec.subject = {{"CN", "CA"}};
    spec.ca = true;
    const test::Identity second = issue(spec, &other, second_key_of(leaf, ca));
    const auto both = policy_of({{"acme", &ca}, {"globex", &second}});
    const auto answer = ask(*both, leaf, {}, now(), {}, {}, {});
    CHECK_EQUAL(word_of(answer.reason), "granted");
    CHECK_EQUAL(answer.partner->name.view(), "acme");
}

// It is stale instead: the list may be by a new key of the CA above.
CLAIM(a_bundle_does_not_prove_that_a_list_is_of_another_ca) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root),
                         current = ca_named("CA", nullptr);
    const test::Identity who = make_client("o", "o.example", old);
    const std::string acme = partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate old.pem\n");
    Draft draft;
    draft.file("root.pem", root.cert_pem()).file("old.pem", old.cert_pem()).file("current.pem", current.cert_pem());
    draft.file("td.json", bundle_of(current));
    const auto by_bundle = draft.policy(
        acme + partner("globex", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=globex.example\n"));
    const auto by_file = draft.policy(acme + partner("globex", "MTLSIdentity any\nMTLSTrustAnchor current.pem\n"));
    const CrlSet crls = set_of({list_by(current)});
    CHECK_EQUAL(Site::word(*by_bundle, who, crls), "revocation-stale");
    CHECK_EQUAL(Site::word(*by_file, who, crls), "granted");
}
