// The kind of a public key: its algorithm, its size and its curve, and the patterns that `key:` compares them with.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// Read off SubjectPublicKeyInfo by its object identifiers, so that it is the same with every OpenSSL, also where the
// key's algorithm is unknown to the one at hand.
struct KeyType {
    std::string
        algorithm;      // "RSA", "RSA-PSS", "EC", "Ed25519", "ML-DSA-65", ...; a dotted OID where it has no name here
    std::string curve;  // of EC: NIST's name, else OpenSSL's, else a dotted OID; empty where it is not named
    int bits = 0;       // of RSA, DSA and EC; 0 of others, whose name says it, and where the key does not decode

    // "EC:P-256", "RSA:3072", "ML-DSA-65"; for people, and for cert:key.
    std::string text() const;
};

KeyType key_type_of(const X509& certificate);

// The names under which `algorithm` is asked for: itself, and the families that it belongs to ("ML-DSA" of
// "ML-DSA-65").
std::vector<std::string_view> families_of(std::string_view algorithm);

// What `key:` asks for, borrowed.
struct KeyPattern {
    std::string_view algorithm;  // as KeyType has it, or a family
    std::string_view curve;      // empty: any
    int least_bits = 0;

    // Nothing where it cannot be told: a curve that is spelled out, a size of a key that does not decode.
    std::optional<bool> fits(const KeyType& key) const;
    // Whether every key that fits this one fits `other`, too.
    bool is_within(const KeyPattern& other) const;
    // Whether no key fits both.
    bool excludes(const KeyPattern& other) const;
};

// The same while it is read.
struct WrittenKeyPattern {
    std::string algorithm;
    std::string curve;
    int least_bits = 0;

    // An error names the fault, and a value that would be accepted.
    static Result<WrittenKeyPattern> parse(std::string_view value);
};

}  // namespace mtls
