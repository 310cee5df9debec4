#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <algorithm>
#include <new>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/public_key.hpp"

namespace mtls {

std::string spki_sha256(const X509& certificate) {
    const std::string encoded = encode(i2d_X509_PUBKEY, *X509_get_X509_PUBKEY(&certificate));
    if (encoded.empty()) throw std::bad_alloc();
    return sha256(encoded);
}

namespace {

// A SubjectPublicKeyInfo with this key in its BIT STRING; shorter than 64 kB, as any accepted certificate is.
std::string spki_with(std::string_view algorithm, std::string_view key) {
    return der_element(V_ASN1_SEQUENCE, std::string(algorithm) +
                                            der_element(V_ASN1_BIT_STRING, std::string(1, '\0') + std::string(key)));
}

// X and Y of the key's point, each padded to the size of the field; empty if the curve is over a binary field.
// `encoded`: the point (SEC 1 2.3.3), which OpenSSL has accepted.
std::string coordinates_of(const EVP_PKEY& key, std::string_view encoded) {
    char field[32] = "";
    EVP_PKEY_get_utf8_string_param(&key, OSSL_PKEY_PARAM_EC_FIELD_TYPE, field, sizeof field, nullptr);
    if (std::string_view(field) != SN_X9_62_prime_field) return {};
    const bool is_compressed = encoded.starts_with('\x02') || encoded.starts_with('\x03');
    if (!is_compressed) return std::string(encoded.substr(std::min<std::size_t>(1, encoded.size())));
    const BignumPtr y = ec_number(key, OSSL_PKEY_PARAM_EC_PUB_Y);
    std::string out(encoded.substr(1));
    std::string bytes(out.size(), '\0');
    const int size = static_cast<int>(bytes.size());
    if (!y || BN_bn2binpad(y.get(), reinterpret_cast<unsigned char*>(bytes.data()), size) != size) return {};
    return out + bytes;
}

std::vector<std::string> encodings_of_point(std::string_view algorithm, const EVP_PKEY& key, std::string_view encoded) {
    const std::string both = coordinates_of(key, encoded);
    if (both.empty()) return {};
    const char odd = static_cast<char>(both.back() & 1);
    const std::string x = both.substr(0, both.size() / 2);
    std::vector<std::string> out;
    for (const std::string& point :
         {"\x04" + both, static_cast<char>(2 + odd) + x, static_cast<char>(6 + odd) + both}) {
        out.push_back(spki_with(algorithm, point));
    }
    return out;
}

// An AlgorithmIdentifier; `oid`: the content of its object identifier.
std::string algorithm_identifier(std::string_view oid, const std::string& parameters) {
    return der_element(V_ASN1_SEQUENCE, der_element(V_ASN1_OBJECT, std::string(oid)) + parameters);
}

// RSASSA-PSS-params (RFC 4055 3.1) with one SHA-2 hash, for the message and for MGF1, and a salt of its size. `hash`:
// the last arc of its object identifier.
std::string pss_parameters(char hash, char salt) {
    constexpr std::string_view kMgf1 = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08",
                               kSha2 = "\x60\x86\x48\x01\x65\x03\x04\x02";
    const auto field = [](char number, const std::string& content) {
        std::string out = der_element(V_ASN1_SEQUENCE, content);
        out[0] = static_cast<char>(0xa0 + number);
        return out;
    };
    const std::string hashed = algorithm_identifier(std::string(kSha2) + hash, der_element(V_ASN1_NULL, ""));
    return der_element(V_ASN1_SEQUENCE, field(0, hashed) + field(1, algorithm_identifier(kMgf1, hashed)) +
                                            field(2, der_element(V_ASN1_INTEGER, std::string(1, salt))));
}

std::vector<std::string> encodings_of_rsa(std::string_view key) {
    constexpr std::string_view kRsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
                               kPss = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
    std::vector<std::string> out;
    for (const std::string& identifier :
         {algorithm_identifier(kRsa, der_element(V_ASN1_NULL, "")), algorithm_identifier(kPss, ""),
          algorithm_identifier(kPss, pss_parameters(1, 32)), algorithm_identifier(kPss, pss_parameters(2, 48)),
          algorithm_identifier(kPss, pss_parameters(3, 64))}) {
        out.push_back(spki_with(identifier, key));
    }
    return out;
}

// Takes an INTEGER that is positive and as short as can be.
bool take_positive(DerReader& reader) {
    const auto number = reader.next(V_ASN1_INTEGER);
    if (!number || number->content.empty()) return false;
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(number->content[i]); };
    return at(0) < 0x80 && (number->content.size() == 1 || at(0) != 0 || at(1) >= 0x80);
}

// Whether this is DER, a SEQUENCE of so many positive INTEGERs.
bool is_sequence_of(int count, std::string_view der) {
    DerReader outer(der);
    const auto sequence = outer.next(kDerSequence);
    if (!sequence || !outer.at_end()) return false;
    DerReader numbers(sequence->content);
    while (count > 0 && take_positive(numbers)) --count;
    return count == 0 && numbers.at_end();
}

// RFC 3279 2.3.2. `parameters`: null if they are no SEQUENCE.
std::string dsa_fault(std::string_view key, const ASN1_STRING* parameters) {
    DerReader reader(key);
    if (!take_positive(reader) || !reader.at_end()) return "DSAPublicKey is not DER";
    const bool is_der = parameters != nullptr && is_sequence_of(3, octets_of(*parameters));
    return is_der ? "" : "the parameters of DSA are absent or not DER";
}

// Whether the BIT STRING of the key has as many bits as its octets.
bool has_whole_octets(const X509& certificate) {
    const std::string encoded = encode(i2d_X509_PUBKEY, *X509_get_X509_PUBKEY(&certificate));
    const auto whole = DerReader(encoded).next(kDerSequence);
    DerReader parts(whole ? whole->content : std::string_view());
    parts.next();
    const auto bits = parts.next(V_ASN1_BIT_STRING);
    return bits && bits->content.starts_with('\0');
}

bool is_key_of(const EVP_PKEY* key, const char* type) { return key != nullptr && EVP_PKEY_is_a(key, type) == 1; }

}  // namespace

std::vector<std::string> key_forms(const X509& certificate, const std::string& spki_sha256) {
    const ErrorQueueGuard errors;
    EVP_PKEY* const key = X509_get0_pubkey(&certificate);
    const std::string encoded = encode(i2d_X509_PUBKEY, *X509_get_X509_PUBKEY(&certificate));
    std::vector<std::string> forms;
    const auto whole = DerReader(encoded).next(kDerSequence);
    const auto algorithm = whole ? DerReader(whole->content).next() : std::nullopt;
    const std::string_view bits = octets_of(*X509_get0_pubkey_bitstr(&certificate));
    if (algorithm && (is_key_of(key, "EC") || is_key_of(key, "SM2")))
        forms = encodings_of_point(algorithm->encoding, *key, bits);
    if (is_key_of(key, "RSA") || is_key_of(key, "RSA-PSS")) forms = encodings_of_rsa(bits);
    if (std::find(forms.begin(), forms.end(), encoded) == forms.end()) forms.push_back(encoded);
    for (std::string& form : forms) form = form == encoded ? spki_sha256 : sha256(form);
    return forms;
}

std::string key_sha256(const X509& certificate) { return key_forms(certificate, spki_sha256(certificate)).front(); }

std::string key_fault(const X509& certificate) {
    const ErrorQueueGuard errors;
    const EVP_PKEY* const key = X509_get0_pubkey(&certificate);  // null if OpenSSL does not know it
    X509_ALGOR* identifier = nullptr;
    X509_PUBKEY_get0_param(nullptr, nullptr, nullptr, &identifier, X509_get_X509_PUBKEY(&certificate));
    const ASN1_OBJECT* algorithm = nullptr;
    int type = V_ASN1_UNDEF;
    const void* parameters = nullptr;
    X509_ALGOR_get0(&algorithm, &type, &parameters, identifier);
    const int kind = OBJ_obj2nid(algorithm);
    const std::string_view encoded = octets_of(*X509_get0_pubkey_bitstr(&certificate));
    if (!has_whole_octets(certificate)) return "its BIT STRING has unused bits";
    if (kind == NID_rsa) return "RSA under X.500's object identifier";
    if (kind == NID_rsaEncryption && type != V_ASN1_NULL) return "rsaEncryption with parameters that are not NULL";
    if (kind == NID_rsaEncryption || kind == NID_rsassaPss) {
        return is_sequence_of(2, encoded) ? "" : "RSAPublicKey is not DER";  // RFC 8017 A.1.1
    }
    if (kind == NID_dsa) {
        return dsa_fault(encoded, type == V_ASN1_SEQUENCE ? static_cast<const ASN1_STRING*>(parameters) : nullptr);
    }
    if (is_key_of(key, "DSA")) return "DSA under another object identifier than RFC 3279's";
    if (kind != NID_X9_62_id_ecPublicKey) {
        const bool is_ec = is_key_of(key, "EC") || is_key_of(key, "SM2");
        return is_ec ? "a key of an elliptic curve under another object identifier than RFC 5480's" : "";
    }
    const char* const curve =
        type == V_ASN1_OBJECT ? OBJ_nid2sn(OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(parameters))) : nullptr;
    // RFC 5480 2.1.1.
    if (curve == nullptr) return "a curve that is not named by its object identifier";
    if (std::string_view(curve).starts_with("wap-wsg-idm-ecid-wtls")) return "a curve under WAP's object identifier";
    const bool has_forms = encoded.starts_with('\x04') || (key != nullptr && !coordinates_of(*key, encoded).empty());
    return has_forms ? "" : "a compressed point whose other forms are not known";
}

}  // namespace mtls
