// The public key of a certificate: its type (algorithm, size, curve), the patterns that `key:` compares that with, and
// the encodings in which the same key can come.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

// Read from the object identifiers of SubjectPublicKeyInfo, so that the result does not depend on the OpenSSL version,
// even if it does not support the algorithm.
struct KeyType {
    std::string algorithm;  // "RSA", "RSA-PSS", "EC", "Ed25519", "ML-DSA-65", ...; a dotted OID if not in our table
    std::string curve;      // of EC: NIST's name, else OpenSSL's, else a dotted OID; empty for explicit parameters
    int bits = 0;           // of RSA, DSA and EC; 0 for others (their name implies it), and if the key does not decode

    // "EC:P-256", "RSA:3072", "ML-DSA-65"; for display, and for cert:key.
    std::string text() const;
};

KeyType key_type_of(const X509& certificate);

// Raw SHA-256 of the SubjectPublicKeyInfo.
std::string spki_sha256(const X509& certificate);
// Raw SHA-256 of every SubjectPublicKeyInfo that can encode this key, the usual one first: the point of an elliptic
// curve uncompressed, compressed or hybrid (RFC 5480 2.2), an RSA key under rsaEncryption or id-RSASSA-PSS (RFC 4055
// 1.2) without parameters, or with SHA-256, SHA-384 or SHA-512 and a salt of its size. For other keys, and for curves
// over binary fields, only the encoding in the certificate, which has `spki_sha256`.
std::vector<std::string> key_forms(const X509& certificate, const std::string& spki_sha256);
// The first element of key_forms(): identifies a key independently of its encoding.
std::string key_sha256(const X509& certificate);
// Why a revocation by key could miss this key: it has an encoding that key_forms() does not list. "" if it has none.
std::string key_fault(const X509& certificate);

// A number of an EC key, by its name in <openssl/core_names.h>; null if there is none of up to 576 bits.
BignumPtr ec_number(const EVP_PKEY& key, const char* name);

// The names that match `algorithm`: itself, and its families ("ML-DSA" for "ML-DSA-65").
std::vector<std::string_view> families_of(std::string_view algorithm);

// The value of a `key:` selector; borrows its text.
struct KeyPattern {
    std::string_view algorithm;  // a KeyType::algorithm, or a family
    std::string_view curve;      // empty: any
    int least_bits = 0;

    // Nothing if undecidable: a curve with explicit parameters, or the size of a key that does not decode.
    std::optional<bool> fits(const KeyType& key) const;
    // Whether every key that fits this pattern also fits `other`.
    bool is_within(const KeyPattern& other) const;
    // Whether no key can fit both.
    bool excludes(const KeyPattern& other) const;
};

// A KeyPattern that owns its text, for parsing.
struct WrittenKeyPattern {
    std::string algorithm;
    std::string curve;
    int least_bits = 0;

    // An error quotes the value, names the fault, and gives an example of a valid value.
    static Result<WrittenKeyPattern> parse(std::string_view value);
};

}  // namespace mtls
