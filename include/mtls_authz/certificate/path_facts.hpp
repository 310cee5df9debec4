// What a verified path says of a certificate, beside the certificate itself.
#pragma once

#include <string>
#include <vector>

namespace mtls {

struct PathFacts {
    std::vector<std::string> ca_keys;  // SHA-256 of the keys of its CAs, nearest first
    // The authority-constrained policy set (RFC 5280 6.1.5, X.509 12.2): dotted OIDs, in the anchor's terms. What the
    // leaf asserts and a CA above it may not is left out.
    std::vector<std::string> policies;
    // Of the leaf, as ecdsa_twin_sha256() has it. A certificate and its twin are one: which was issued cannot be told.
    std::string leaf_twin = {};
};

}  // namespace mtls
