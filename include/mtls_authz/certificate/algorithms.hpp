// Algorithms that the OpenSSL at hand does not know. It calls their keys weak, since it cannot say how strong they are.
#pragma once

#include <openssl/x509.h>

#include <span>
#include <string>
#include <string_view>

namespace mtls {

// What of a certificate is unknown here, and which OpenSSL knows it, in words; "" where nothing is.
std::string unknown_key(const X509& certificate);
std::string unknown_signature(const X509& certificate);

// ML-DSA and SLH-DSA by their parameter sets ("ML-DSA-65"; FIPS 204 and 205): of a dotted OID, "" where it is none of
// them; and all of them.
std::string_view post_quantum_name(std::string_view oid);
std::span<const std::string_view> post_quantum_names();

}  // namespace mtls
