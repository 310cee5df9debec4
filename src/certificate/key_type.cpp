#include "mtls_authz/certificate/public_key.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/der.hpp"

namespace mtls {

namespace {

struct NamedAlgorithm {
    std::string_view oid;
    std::string_view name;
};
constexpr NamedAlgorithm kAlgorithms[] = {
    {"1.2.840.113549.1.1.1", "RSA"}, {"2.5.8.1.1", "RSA"},       {"1.2.840.113549.1.1.10", "RSA-PSS"},
    {"1.2.840.10045.2.1", "EC"},     {"1.3.101.112", "Ed25519"}, {"1.3.101.113", "Ed448"},
    {"1.2.840.10040.4.1", "DSA"},
};

constexpr std::string_view kRsa = "RSA", kEc = "EC", kDsa = "DSA";

// Common names of algorithms that we know by another name.
struct OtherName {
    std::string_view written;
    std::string_view meant;
};
constexpr OtherName kOtherNames[] = {{"ECDSA", "EC"},       {"ECC", "EC"},           {"EdDSA", "Ed25519"},
                                     {"RSAPSS", "RSA-PSS"}, {"Dilithium", "ML-DSA"}, {"SPHINCS+", "SLH-DSA"}};

constexpr const char* kExpected =
    ": expected RSA, RSA>=3072, EC, EC:P-256, Ed25519, Ed448, ML-DSA, ML-DSA-65, SLH-DSA, ... or the dotted OID of "
    "another algorithm";

std::string algorithm_name(const std::string& oid) {
    for (const NamedAlgorithm& named : kAlgorithms) {
        if (oid == named.oid) return std::string(named.name);
    }
    const std::string_view post_quantum = post_quantum_name(oid);
    return post_quantum.empty() ? oid : std::string(post_quantum);
}

std::string curve_name(const ASN1_OBJECT& object) {
    const int nid = OBJ_obj2nid(&object);
    const char* const nist = EC_curve_nid2nist(nid);
    return nist != nullptr ? nist : nid != NID_undef ? OBJ_nid2sn(nid) : oid_dotted(object);
}

// The curve for a name of NIST or OpenSSL (case-insensitive), or for a dotted OID.
std::optional<std::string> read_curve(std::string_view text) {
    if (!text.empty() && is_digit(text.front())) {
        const auto oid = oid_from_text(text);
        const Asn1ObjectPtr object(oid ? OBJ_txt2obj(oid->c_str(), 1) : nullptr);
        return object ? std::optional(curve_name(*object)) : std::nullopt;
    }
    std::vector<EC_builtin_curve> curves(EC_get_builtin_curves(nullptr, 0));
    EC_get_builtin_curves(curves.data(), curves.size());
    for (const EC_builtin_curve& curve : curves) {
        const char* const nist = EC_curve_nid2nist(curve.nid);
        const bool is_meant = (nist != nullptr && equal_nocase(text, nist)) ||
                              equal_nocase(text, OBJ_nid2sn(curve.nid)) || equal_nocase(text, OBJ_nid2ln(curve.nid));
        if (is_meant) return curve_name(*OBJ_nid2obj(curve.nid));
    }
    if (equal_nocase(text, "secp256r1")) return "P-256";  // names of SEC 2; OpenSSL has only those of X9.62
    if (equal_nocase(text, "secp192r1")) return "P-192";
    return std::nullopt;
}

// All algorithms and families.
std::vector<std::string_view> algorithm_names() {
    std::vector<std::string_view> out;
    const auto add = [&out](std::string_view name) {
        for (const std::string_view word : families_of(name)) {
            if (word != "SLH" && word != "ML") out.push_back(word);
        }
    };
    for (const NamedAlgorithm& named : kAlgorithms) add(named.name);
    for (const std::string_view name : post_quantum_names()) add(name);
    return out;
}

std::optional<std::string> read_algorithm(std::string_view text) {
    if (!text.empty() && is_digit(text.front())) {
        const auto oid = oid_from_text(text);
        return oid ? std::optional(algorithm_name(*oid)) : std::nullopt;
    }
    for (const std::string_view word : algorithm_names()) {
        if (equal_nocase(text, word)) return std::string(word);
    }
    return std::nullopt;
}

bool has_sizes(std::string_view algorithm) { return algorithm == kDsa || families_of(algorithm).front() == kRsa; }

bool is_family_of(std::string_view family, std::string_view algorithm) {
    return algorithm.starts_with(family) && (algorithm.size() == family.size() || algorithm[family.size()] == '-');
}

// For a value that is not an algorithm: a suggestion of a similar valid value.
std::string hint_about(std::string_view value) {
    const auto suggest = [](const std::string& meant) { return " (did you mean '" + meant + "'?)"; };
    if (const auto curve = read_curve(value)) return suggest("EC:" + *curve);
    const std::size_t end = value.find_first_of(":=<> ");
    for (const OtherName& other : kOtherNames) {
        const std::string rest(end == std::string_view::npos ? "" : value.substr(end));
        if (equal_nocase(value.substr(0, end), other.written)) return suggest(std::string(other.meant) + rest);
    }
    const auto digits = std::find_if(value.rbegin(), value.rend(), [](char c) { return !is_digit(c); }).base();
    const bool is_sized_rsa = digits != value.end() && starts_nocase(value, kRsa);
    if (is_sized_rsa) return suggest("RSA>=" + std::string(digits, value.end()));
    const auto words = algorithm_names();
    return did_you_mean(value, words);
}

Result<int> read_size(std::string_view text) {
    constexpr int kLargest = 65536;
    int bits = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), bits);
    const bool is_number = fault == std::errc() && end == text.data() + text.size() && !text.starts_with('0');
    if (!is_number || bits < 1 || bits > kLargest) {
        return Error{in_quotes(text) + " is no size of a key: expected its bits, like RSA>=3072"};
    }
    return bits;
}

}  // namespace

std::string KeyType::text() const {
    if (algorithm == kEc && !curve.empty()) return algorithm + ":" + curve;
    return bits != 0 ? algorithm + ":" + std::to_string(bits) : algorithm;
}

BignumPtr ec_number(const EVP_PKEY& key, const char* name) {
    // EVP_PKEY_get_bn_param() has OpenSSL pad the number to 2,048 bytes, in constant time.
    std::array<unsigned char, 72> bytes{};
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(name, bytes.data(), bytes.size()), OSSL_PARAM_construct_end()};
    BIGNUM* out = nullptr;
    const bool is_there = EVP_PKEY_get_params(&key, params) == 1 && OSSL_PARAM_modified(params) == 1 &&
                          OSSL_PARAM_get_BN(params, &out) == 1;
    return BignumPtr(is_there ? out : nullptr);
}

std::vector<std::string_view> families_of(std::string_view algorithm) {
    std::vector<std::string_view> out;
    for (std::size_t at = algorithm.find('-'); at != std::string_view::npos; at = algorithm.find('-', at + 1)) {
        out.push_back(algorithm.substr(0, at));
    }
    out.push_back(algorithm);
    return out;
}

KeyType key_type_of(const X509& certificate) {
    const ErrorQueueGuard errors;
    auto* const encoded = X509_get_X509_PUBKEY(&certificate);
    X509_ALGOR* identifier = nullptr;
    X509_PUBKEY_get0_param(nullptr, nullptr, nullptr, &identifier, encoded);
    const ASN1_OBJECT* object = nullptr;
    int type = V_ASN1_UNDEF;
    const void* parameter = nullptr;
    X509_ALGOR_get0(&object, &type, &parameter, identifier);
    KeyType out;
    out.algorithm = algorithm_name(oid_dotted(*object));
    if (out.algorithm == kEc && type == V_ASN1_OBJECT) {
        out.curve = curve_name(*static_cast<const ASN1_OBJECT*>(parameter));
    }
    const EVP_PKEY* const key = X509_get0_pubkey(&certificate);
    if (key != nullptr && (out.algorithm == kEc || has_sizes(out.algorithm))) out.bits = EVP_PKEY_get_bits(key);
    return out;
}

Result<WrittenKeyPattern> WrittenKeyPattern::parse(std::string_view value) {
    const std::size_t end = std::min(value.find_first_of(":=<> "), value.size());
    const std::string_view rest = value.substr(end);
    auto algorithm = read_algorithm(value.substr(0, end));
    if (!algorithm) return Error{in_quotes(value) + " is no kind of key" + hint_about(value) + kExpected};
    WrittenKeyPattern out;
    out.algorithm = std::move(*algorithm);
    if (rest.empty()) return out;
    const bool is_sized = has_sizes(out.algorithm);
    if (is_sized && rest.starts_with('<')) {
        return Error{"smaller keys are what is left: key:" + out.algorithm + " beside !key:" + out.algorithm +
                     ">=3072"};
    }
    if (is_sized && rest.starts_with(">=")) {
        const auto bits = read_size(rest.substr(2));
        if (!bits.ok()) return Error{bits.error()};
        out.least_bits = bits.value();
        return out;
    }
    if (is_sized) return Error{in_quotes(value) + " is no kind of key" + hint_about(value) + kExpected};
    if (out.algorithm != kEc) {
        return Error{in_quotes(value) + ": a key of " + out.algorithm +
                     " is asked for without size or curve: expected " + out.algorithm};
    }
    const auto curve = rest.starts_with(':') ? read_curve(rest.substr(1)) : std::nullopt;
    if (!curve) {
        return Error{in_quotes(value) +
                     " names no curve that OpenSSL knows: expected EC, EC:P-256, EC:P-384, EC:P-521, "
                     "EC:brainpoolP256r1, ... or the dotted OID of a curve"};
    }
    out.curve = *curve;
    return out;
}

std::optional<bool> KeyPattern::fits(const KeyType& key) const {
    if (!is_family_of(algorithm, key.algorithm)) return false;
    if ((!curve.empty() && key.curve.empty()) || (least_bits > 0 && key.bits == 0)) return std::nullopt;
    return (curve.empty() || curve == key.curve) && key.bits >= least_bits;
}

bool KeyPattern::is_within(const KeyPattern& other) const {
    return is_family_of(other.algorithm, algorithm) && (other.curve.empty() || other.curve == curve) &&
           least_bits >= other.least_bits;
}

bool KeyPattern::excludes(const KeyPattern& other) const {
    const bool are_related = is_family_of(algorithm, other.algorithm) || is_family_of(other.algorithm, algorithm);
    return !are_related || (!curve.empty() && !other.curve.empty() && curve != other.curve);
}

}  // namespace mtls
