// Algorithms that the OpenSSL at hand does not know. It calls their keys weak, since it cannot say how strong they are.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace mtls {

// What of a certificate is unknown here, and which OpenSSL knows it, in words; "" where nothing is.
std::string unknown_key(const X509& certificate);
std::string unknown_signature(const X509& certificate);

}  // namespace mtls
