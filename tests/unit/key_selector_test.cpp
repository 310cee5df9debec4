// `key:` selectors.
#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/rsa.h>
#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "selectors.hpp"

using namespace mtls;
using namespace test::selectors;

namespace {

CertificateFacts facts_with_key(mtls::EvpPkeyPtr key, const std::string& claimed_algorithm = "") {
    test::CertSpec spec = san({});
    spec.key_algorithm = claimed_algorithm;
    return read_facts(*test::issue(spec, &ca(), std::move(key)).cert);
}

EvpPkeyPtr rsa_pss_key() {
    const std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> making(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
    EVP_PKEY* key = nullptr;
    EVP_PKEY_keygen_init(making.get());
    EVP_PKEY_generate(making.get(), &key);
    return EvpPkeyPtr(key);
}

std::string error_about_key(const std::string& value) { return error_of("key:" + value); }

}  // namespace

CLAIM(keys_are_told_by_algorithm_size_and_curve) {
    const auto rsa = facts_with_key(EvpPkeyPtr(EVP_RSA_gen(2048)));
    const auto p256 = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-256")));
    const auto p384 = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-384")));
    const auto brainpool = facts_with_key(EvpPkeyPtr(EVP_EC_gen("brainpoolP256r1")));
    const auto ed25519 = facts_with_key(EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    const auto ed448 = facts_with_key(EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448")));
    // OpenSSL 3.0 cannot make these: the OID is what counts.
    const auto ml_dsa = facts_with_key({}, "2.16.840.1.101.3.4.3.18");
    const auto slh_dsa = facts_with_key({}, "2.16.840.1.101.3.4.3.20");
    const auto rsa_pss = facts_with_key(rsa_pss_key());
    const auto other = facts_with_key({}, "1.2.3.4");
    struct Row {
        const CertificateFacts& facts;
        const char* text;
        std::vector<const char*> fitting;
    };
    const Row rows[] = {
        {rsa,
         "RSA:2048",
         {"RSA", "rsa", "RSA>=2048", "RSA>=1024", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.1>=2048"}},
        {rsa_pss,
         "RSA-PSS:2048",
         {"RSA", "rsa", "RSA>=2048", "RSA>=1024", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.1>=2048", "RSA-PSS",
          "RSA-PSS>=2048"}},
        {p256, "EC:P-256", {"EC", "EC:P-256", "ec:prime256v1", "EC:secp256r1", "EC:1.2.840.10045.3.1.7"}},
        {p384, "EC:P-384", {"EC", "EC:secp384r1"}},
        {brainpool, "EC:brainpoolP256r1", {"EC", "EC:BrainpoolP256r1"}},
        {ed25519, "Ed25519", {"Ed25519", "ED25519", "1.3.101.112"}},
        {ed448, "Ed448", {"Ed448"}},
        {ml_dsa, "ML-DSA-65", {"ML-DSA", "ml-dsa-65"}},
        {slh_dsa, "SLH-DSA-SHA2-128s", {"SLH-DSA", "SLH-DSA-SHA2", "SLH-DSA-SHA2-128s"}},
        {other, "1.2.3.4", {"1.2.3.4"}},
    };
    std::set<std::string> all = {"RSA>=2049", "RSA>=3072",     "EC:P-521",          "DSA",   "ML-DSA-44",
                                 "ML-DSA-87", "SLH-DSA-SHAKE", "SLH-DSA-SHA2-128f", "1.2.3", "1.2.3.4.5"};
    for (const Row& row : rows) all.insert(row.fitting.begin(), row.fitting.end());
    Arena arena;
    for (const Row& row : rows) {
        CHECK_EQUAL(row.facts.key.text(), row.text);
        for (const std::string& value : all) {
            const bool fits =
                std::any_of(row.fitting.begin(), row.fitting.end(), [&](const char* f) { return value == f; });
            (fits ? yes : no)("key:" + value, row.facts);
            (fits ? no : yes)("!key:" + value, row.facts);
        }
        CHECK_EQUAL(FieldName::parse("key", arena).value().value(row.facts, {}).value_or(""), row.text);
    }
}

CLAIM(a_key_whose_encoding_hides_which_one_it_is_is_malformed) {
    const auto fault_with = [](const EvpPkeyPtr& key, const std::string& octets) {
        const test::Identity id = test::issue({}, nullptr, mtls::EvpPkeyPtr(EVP_PKEY_dup(key.get())));
        X509_PUBKEY* const spki = X509_get_X509_PUBKEY(id.cert.get());
        auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(octets.data(), octets.size()));
        CHECK_EQUAL(X509_PUBKEY_set0_param(spki, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL, nullptr, copy,
                                           static_cast<int>(octets.size())),
                    1);
        CHECK(X509_sign(id.cert.get(), key.get(), EVP_sha256()) > 0);  // encodes it anew
        const std::string der = mtls::encode(i2d_X509, *id.cert);
        std::string_view encoded = der;
        const mtls::X509Ptr read = mtls::take_x509(encoded);
        return mtls::read_facts(*read).malformed;
    };
    const EvpPkeyPtr rsa(EVP_RSA_gen(2048));
    const std::string plain = mtls::encode(i2d_PublicKey, *rsa);
    CHECK_EQUAL(fault_with(rsa, plain), "");
    // SEQUENCE, its length in two octets, INTEGER, its length in two octets.
    constexpr std::size_t kModulus = 8;
    const auto with_length = [](std::string der, int added) {
        for (const std::size_t at : {std::size_t{3}, std::size_t{7}}) der[at] = static_cast<char>(der[at] + added);
        return der;
    };
    CHECK_EQUAL(plain[kModulus], '\0');
    std::string longer = with_length(plain, 1), shorter = with_length(plain, -1), of_exponent = plain;
    longer.insert(kModulus, 1, '\0');
    shorter.erase(kModulus, 1);
    of_exponent[3] = static_cast<char>(of_exponent[3] + 1);
    of_exponent.replace(of_exponent.size() - 4, 1, std::string("\x04\0", 2));  // before 01 00 01
    for (const std::string& odd : {plain + '\0', longer, shorter, of_exponent}) {
        CHECK_EQUAL(fault_with(rsa, odd), "public key: RSAPublicKey is not DER");
    }
    for (const char* form : {"uncompressed", "compressed", "hybrid"}) {
        for (const char* curve : {"sect283k1", "prime256v1"}) {
            EvpPkeyPtr key(EVP_EC_gen(curve));
            CHECK_EQUAL(EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form), 1);
            const test::Identity id = test::issue({}, nullptr, std::move(key));
            const bool is_hidden = std::string_view(curve) == "sect283k1" && std::string_view(form) != "uncompressed";
            test::check_equal(mtls::read_facts(*id.cert).malformed,
                              is_hidden ? "public key: a compressed point whose other forms are not known" : "",
                              std::string(curve) + form, __FILE__, __LINE__);
        }
    }
}

CLAIM(a_key_whose_bit_string_has_unused_bits_is_malformed) {
    const test::Identity root = test::make_ca("Root");
    for (const char* algorithm : {"ED25519", "ED448", "EC", "RSA"}) {
        const std::string_view name = algorithm;
        std::string octets;
        test::Identity id;
        do {
            EvpPkeyPtr key(name == "EC"    ? EVP_EC_gen("P-256")
                           : name == "RSA" ? EVP_RSA_gen(2048)
                                           : EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm));
            id = test::issue({}, &root, std::move(key));
            octets = mtls::octets_of(*X509_get0_pubkey_bitstr(id.cert.get()));
        } while (name != "RSA" && (octets.back() & 1) != 0);
        CHECK_EQUAL(mtls::read_facts(*id.cert).malformed, "");
        std::string der = mtls::encode(i2d_X509, *id.cert);
        const std::size_t at = der.find('\0' + octets);
        CHECK(at != std::string::npos);
        der[at] = 1;
        std::string_view encoded = der;
        const mtls::X509Ptr read = mtls::take_x509(encoded);
        CHECK_EQUAL(mtls::read_facts(*read).malformed, "public key: its BIT STRING has unused bits");
    }
}

using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

CLAIM(a_dsa_key_that_is_not_der_or_under_another_identifier_is_malformed) {
    const KeyContextPtr generator(EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
    EVP_PKEY* made = nullptr;
    CHECK(EVP_PKEY_paramgen_init(generator.get()) == 1 &&
          EVP_PKEY_CTX_set_dsa_paramgen_bits(generator.get(), 1024) == 1 &&
          EVP_PKEY_paramgen(generator.get(), &made) == 1);
    const EvpPkeyPtr shape(std::exchange(made, nullptr));
    const KeyContextPtr keys(EVP_PKEY_CTX_new_from_pkey(nullptr, shape.get(), nullptr));
    CHECK(EVP_PKEY_keygen_init(keys.get()) == 1 && EVP_PKEY_keygen(keys.get(), &made) == 1);
    const EvpPkeyPtr key(made);
    const test::Identity usual = test::issue({}, nullptr, mtls::EvpPkeyPtr(EVP_PKEY_dup(key.get())));
    const std::string octets(mtls::octets_of(*X509_get0_pubkey_bitstr(usual.cert.get())));
    X509_ALGOR* identifier = nullptr;
    X509_PUBKEY_get0_param(nullptr, nullptr, nullptr, &identifier, X509_get_X509_PUBKEY(usual.cert.get()));
    int type = V_ASN1_UNDEF;
    const void* value = nullptr;
    X509_ALGOR_get0(nullptr, &type, &value, identifier);
    CHECK_EQUAL(type, V_ASN1_SEQUENCE);
    const std::string parameters(mtls::octets_of(*static_cast<const ASN1_STRING*>(value)));
    const auto fault_with = [&](int algorithm, const std::string& encoded_parameters, const std::string& encoded_key) {
        const test::Identity id = test::issue({}, nullptr, mtls::EvpPkeyPtr(EVP_PKEY_dup(key.get())));
        auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(encoded_key.data(), encoded_key.size()));
        ASN1_STRING* const sequence = encoded_parameters.empty() ? nullptr : ASN1_STRING_new();
        if (sequence != nullptr)
            ASN1_STRING_set(sequence, encoded_parameters.data(), static_cast<int>(encoded_parameters.size()));
        CHECK_EQUAL(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(id.cert.get()), OBJ_nid2obj(algorithm),
                                           sequence != nullptr ? V_ASN1_SEQUENCE : V_ASN1_UNDEF, sequence, copy,
                                           static_cast<int>(encoded_key.size())),
                    1);
        CHECK(X509_sign(id.cert.get(), key.get(), EVP_sha256()) > 0);  // encodes it anew
        const std::string der = mtls::encode(i2d_X509, *id.cert);
        std::string_view encoded = der;
        return mtls::read_facts(*mtls::take_x509(encoded)).malformed;
    };
    CHECK_EQUAL(fault_with(NID_dsa, parameters, octets), "");
    CHECK_EQUAL(fault_with(NID_dsa, parameters, octets + std::string(2, '\0')), "public key: DSAPublicKey is not DER");
    // A SEQUENCE with its length in two octets.
    constexpr std::size_t kHeader = 4;
    CHECK_EQUAL(parameters[1], '\x82');
    std::string longer = parameters + std::string("\5\0", 2), spelled_out = parameters;
    longer[kHeader - 1] = static_cast<char>(longer[kHeader - 1] + 2);
    spelled_out.replace(1, 1, std::string("\x83\0", 2));
    for (const std::string& odd : {std::string(), longer, spelled_out}) {
        CHECK_EQUAL(fault_with(NID_dsa, odd, octets), "public key: the parameters of DSA are absent or not DER");
    }
    CHECK_EQUAL(fault_with(NID_dsa_2, parameters, octets),
                "public key: DSA under another object identifier than RFC 3279's");
}

CLAIM(a_key_selector_cannot_tell_a_size_or_curve_that_the_certificate_does_not_say) {
    EvpPkeyPtr key(EVP_EC_gen("P-256"));
    EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    const auto spelled_out = facts_with_key(std::move(key));
    yes("key:EC", spelled_out);
    for (const char* word : {"key:EC:P-256", "!key:EC:P-256", "key:EC:P-384"}) {
        unsure(word, spelled_out);
        CHECK(ask(word, spelled_out, Repeats::kAnyCounts) == Answer::kCannotTell);
        CHECK_CONTAINS(Selector::parse(word).value().selector().why_unclear(spelled_out), "does not name the curve");
    }
    const auto broken = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-256")), "1.2.840.113549.1.1.1");
    yes("key:RSA", broken);
    for (const char* word : {"key:RSA>=2048", "!key:RSA>=2048"}) unsure(word, broken);
}

CLAIM(a_wrong_kind_of_key_says_what_would_be_right) {
    const std::pair<const char*, const char*> rows[] = {
        {"RSB", "did you mean 'RSA'?"},
        {"RSA3072", "did you mean 'RSA>=3072'?"},
        {"RSA-3072", "did you mean 'RSA>=3072'?"},
        {"RSA:3072", "did you mean 'RSA>=3072'?"},
        {"RSA=3072", "did you mean 'RSA>=3072'?"},
        {"RSA>3072", "did you mean 'RSA>=3072'?"},
        {"RSA<3072", "!key:RSA>=3072"},
        {"RSA<=3072", "!key:RSA>=3072"},
        {"RSA>=", "no size of a key"},
        {"RSA>=0", "no size of a key"},
        {"RSA>=-1", "no size of a key"},
        {"RSA>=3k", "no size of a key"},
        {"RSA>=99999999999999999999", "no size of a key"},
        {"P-256", "did you mean 'EC:P-256'?"},
        {"prime256v1", "did you mean 'EC:P-256'?"},
        {"ECDSA", "did you mean 'EC'?"},
        {"ECDSA:P-256", "did you mean 'EC:P-256'?"},
        {"EC:P-255", "names no curve"},
        {"EC:", "names no curve"},
        {"EC>=256", "names no curve"},
        {"EC:Ed25519", "names no curve"},
        {"Ed25519>=256", "without size or curve"},
        {"ML-DSA:65", "without size or curve"},
        {"ML-DSA-66", "did you mean 'ML-DSA-65'?"},
        {"MLDSA65", "did you mean 'ML-DSA-65'?"},
        {"Dilithium", "did you mean 'ML-DSA'?"},
        {"SLH", "expected RSA, RSA>=3072, EC"},
        {"9.9", "is no kind of key"},
        {"quantum", "expected RSA, RSA>=3072, EC"},
    };
    for (const auto& [value, said] : rows) CHECK_CONTAINS(error_about_key(value), said);
}

CLAIM(keys_that_no_certificate_has_both_contradict_each_other) {
    const auto contradict = [](const char* a, const char* b) {
        const auto parsed = Selector::parse(a), other = Selector::parse(b);
        const Selector one = parsed.value().selector(), two = other.value().selector();
        CHECK_EQUAL(one.contradicts(two), two.contradicts(one));
        return one.contradicts(two);
    };
    for (const auto& [a, b] : {std::pair("key:RSA", "key:EC"),
                               {"key:EC:P-256", "key:EC:P-384"},
                               {"key:RSA", "!key:RSA"},
                               {"key:RSA-PSS", "!key:RSA"},
                               {"key:RSA>=4096", "!key:RSA>=3072"},
                               {"key:EC:P-256", "!key:EC"},
                               {"key:ML-DSA-65", "key:ML-DSA-44"}}) {
        CHECK(contradict(a, b));
    }
    for (const auto& [a, b] : {std::pair("key:RSA", "!key:RSA>=3072"),
                               {"key:RSA", "key:RSA-PSS"},
                               {"key:EC", "!key:EC:P-256"},
                               {"key:RSA>=2048", "key:RSA>=3072"},
                               {"!key:RSA", "!key:EC"},
                               {"key:RSA", "CN:RSA"},
                               {"key:ML-DSA", "key:ML-DSA-44"}}) {
        CHECK(!contradict(a, b));
    }
}
