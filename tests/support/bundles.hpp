// Generates SPIFFE bundles.
#pragma once

#include <string>
#include <vector>

#include "pki.hpp"

namespace test {

// One key with "use": "x509-svid" and its certificate.
std::string jwk_of(const Identity& ca);

// {"keys": [...], "spiffe_sequence": N}
std::string bundle_of(const std::vector<std::string>& keys, const std::string& sequence = "1");
std::string bundle_of(const Identity& ca, int sequence = 1);

// Base64 of the certificate's DER.
std::string x5c_of(const Identity& certificate);

}  // namespace test
