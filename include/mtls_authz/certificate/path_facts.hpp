// Facts about a leaf that follow from its verified path, not from the leaf alone.
#pragma once

#include <string>
#include <vector>

namespace mtls {

struct PathFacts {
    std::vector<std::string> ca_keys;  // SHA-256 of the keys of its CAs, nearest to the leaf first
    // The authority-constrained policy set (RFC 5280 6.1.5, X.509 12.2): dotted OIDs, in the anchor's terms. It
    // excludes policies that the leaf asserts and a CA above it does not permit.
    std::vector<std::string> policies;
    // ecdsa_twin_sha256() of the leaf. Rules treat a certificate and its twin as one, because nothing shows which one
    // the CA issued.
    std::string leaf_twin = {};
    std::vector<std::string> other_ca_keys = {};  // of the other encodings of ca_keys, see key_forms()
};

}  // namespace mtls
