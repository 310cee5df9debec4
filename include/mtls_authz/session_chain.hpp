// What a TLS session carries for us: the intermediates that a client sent, since a resumed session has lost them. Never
// a verdict, a partner or a generation: those are found anew from the certificates.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/openssl_types.hpp"

namespace mtls {

// The certificates of `chain` (in any order, borrowed) that can stand on a path above `leaf`: issuer by issuer, without
// self-signed ones. Nothing at all where they are more than the session carries (5 certificates, 8 kB), so that full
// and resumed handshakes always see the same.
std::vector<X509Ptr> useful_helpers(const X509& leaf, const std::vector<X509*>& chain);

// A version byte, the SHA-256 of the leaf they belong to, and each certificate's length (two bytes) and DER.
std::string encode_helpers(const X509& leaf, const std::vector<X509Ptr>& helpers);

// The helpers that were encoded for this leaf; nothing where the data are of another version or leaf, or damaged.
// What it returns is untrusted: it came through the client's hands or a shared cache.
std::vector<X509Ptr> decode_helpers(std::string_view data, const X509& leaf);

}  // namespace mtls
