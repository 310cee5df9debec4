// Whether a CA issues certificates to everybody, as far as that can be told.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace mtls {

// Why this CA's certificates may be anybody's, in words: it, or the CA that issued it, is among those that this system
// trusts (OpenSSL's default file and folder), or it bears a policy of the CA/Browser Forum. "" where neither is known:
// that is no proof that the CA is private. Reads files.
std::string why_public_ca(const X509& ca);

}  // namespace mtls
