// The second valid form of an ECDSA signature: if (r, s) verifies, so does (r, n - s) (SEC 1, 4.1.4), where n is the
// order of the issuer's curve. Anyone can turn a certificate into its "twin" with the same content and another
// fingerprint. No other algorithm that OpenSSL verifies has a second form.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace mtls {

// SHA-256 (32 raw bytes) of `certificate` with the other form of its signature. `issuer`: the certificate whose key
// verifies it. Empty if that key is not an EC key.
std::string ecdsa_twin_sha256(const X509& certificate, const X509& issuer);

}  // namespace mtls
