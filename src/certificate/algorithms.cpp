#include "mtls_authz/certificate/algorithms.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>

#include <array>
#include <charconv>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"

namespace mtls {

namespace {

// FIPS 204 and 205, under the arc 2.16.840.1.101.3.4.3; OpenSSL 3.5 supports them.
constexpr std::string_view kNistSignatures = "2.16.840.1.101.3.4.3.";
constexpr unsigned kFirstOfOpenSsl35 = 17;
constexpr std::array<std::string_view, 15> kOfOpenSsl35 = {
    "ML-DSA-44",          "ML-DSA-65",          "ML-DSA-87",          "SLH-DSA-SHA2-128s",  "SLH-DSA-SHA2-128f",
    "SLH-DSA-SHA2-192s",  "SLH-DSA-SHA2-192f",  "SLH-DSA-SHA2-256s",  "SLH-DSA-SHA2-256f",  "SLH-DSA-SHAKE-128s",
    "SLH-DSA-SHAKE-128f", "SLH-DSA-SHAKE-192s", "SLH-DSA-SHAKE-192f", "SLH-DSA-SHAKE-256s", "SLH-DSA-SHAKE-256f"};

}  // namespace

std::string_view post_quantum_name(std::string_view oid) {
    if (!oid.starts_with(kNistSignatures)) return {};
    oid.remove_prefix(kNistSignatures.size());
    unsigned number = 0;
    const auto [end, fault] = std::from_chars(oid.data(), oid.data() + oid.size(), number);
    const bool is_listed = fault == std::errc() && end == oid.data() + oid.size() && number >= kFirstOfOpenSsl35 &&
                           number - kFirstOfOpenSsl35 < kOfOpenSsl35.size();
    return is_listed ? kOfOpenSsl35[number - kFirstOfOpenSsl35] : std::string_view();
}

std::span<const std::string_view> post_quantum_names() { return kOfOpenSsl35; }

namespace {

std::string name_unsupported(const ASN1_OBJECT& algorithm) {
    const std::string oid = oid_dotted(algorithm);
    const std::string here = "the OpenSSL here (" + std::string(OpenSSL_version(OPENSSL_VERSION_STRING)) + ")";
    const bool has_name = OBJ_obj2nid(&algorithm) != NID_undef;
    if (has_name) return oid_name(oid) + " in a form that is unknown to " + here;
    const std::string_view name = post_quantum_name(oid);
    if (name.empty()) return "algorithm " + oid + ", unknown to " + here;
    return std::string(name) + ", unknown to " + here + ": OpenSSL 3.5 and later know it";
}

std::string subject_of(const X509& certificate) {
    return "\"" + read_name(*X509_get_subject_name(&certificate)).text() + "\"";
}

}  // namespace

std::string unknown_key(const X509& certificate) {
    const ErrorQueueGuard errors;
    if (X509_get0_pubkey(&certificate) != nullptr) return {};
    ASN1_OBJECT* algorithm = nullptr;
    X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, nullptr, X509_get_X509_PUBKEY(&certificate));
    return "the key of " + subject_of(certificate) + " is " + name_unsupported(*algorithm);
}

namespace {

// What makes a key costly; "" if nothing does.
const char* cost_of(const EVP_PKEY& key) {
    constexpr int kMostRsaBits = 8192, kMostExponentBits = 64, kMostCurveBits = 521;
    if (EVP_PKEY_is_a(&key, "RSA") == 1 || EVP_PKEY_is_a(&key, "RSA-PSS") == 1) {
        BIGNUM* read = nullptr;
        EVP_PKEY_get_bn_param(&key, OSSL_PKEY_PARAM_RSA_E, &read);
        const BignumPtr exponent(read);
        const bool is_usual =
            exponent && BN_num_bits(read) <= kMostExponentBits && EVP_PKEY_get_bits(&key) <= kMostRsaBits;
        return is_usual ? "" : "RSA of more than 8,192 bits, or with a public exponent of more than 64";
    }
    if (EVP_PKEY_is_a(&key, "EC") == 1) {
        const bool is_usual =
            EVP_PKEY_get_group_name(&key, nullptr, 0, nullptr) == 1 && EVP_PKEY_get_bits(&key) <= kMostCurveBits;
        return is_usual ? "" : "of a curve of more than 521 bits, or without a name";
    }
    return EVP_PKEY_is_a(&key, "DSA") == 1 ? "DSA" : "";
}

}  // namespace

std::string costly_key(const X509& certificate) {
    const ErrorQueueGuard errors;
    const EVP_PKEY* const key = X509_get0_pubkey(&certificate);
    const std::string cost = key != nullptr ? cost_of(*key) : "";
    return cost.empty() ? "" : "the key of " + subject_of(certificate) + " is " + cost;
}

std::string unknown_signature(const X509& certificate) {
    const ErrorQueueGuard errors;
    const X509_ALGOR* used = nullptr;
    X509_get0_signature(nullptr, &used, &certificate);
    const ASN1_OBJECT* algorithm = nullptr;
    X509_ALGOR_get0(&algorithm, nullptr, nullptr, used);
    int digest = NID_undef;
    const bool is_supported = OBJ_find_sigid_algs(OBJ_obj2nid(algorithm), &digest, nullptr) == 1;
    if (is_supported && (digest == NID_undef || EVP_get_digestbynid(digest) != nullptr)) return {};
    return "the signature of " + subject_of(certificate) + " is " + name_unsupported(*algorithm);
}

}  // namespace mtls
