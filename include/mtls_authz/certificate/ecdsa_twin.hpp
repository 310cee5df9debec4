// The second form of an ECDSA signature. With (r, s) also (r, n - s) verifies (SEC 1, 4.1.4), n being the order of the
// issuer's curve: anybody who has a certificate can make another one of it, with the same content and another
// fingerprint. No other algorithm that OpenSSL verifies has such a form.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace mtls {

// The SHA-256, 32 raw bytes, of `certificate` with the other form of its signature. `issuer`: whose key verifies it.
// Empty where that key is not an EC key.
std::string ecdsa_twin_sha256(const X509& certificate, const X509& issuer);

}  // namespace mtls
