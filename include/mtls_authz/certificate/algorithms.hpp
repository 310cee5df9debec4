// Describes algorithms that the linked OpenSSL does not support. OpenSSL reports keys of such algorithms as too weak,
// because it cannot compute their strength.
#pragma once

#include <openssl/x509.h>

#include <span>
#include <string>
#include <string_view>

namespace mtls {

// A clause that names the unsupported algorithm of the key or signature, and this OpenSSL; "" if the
// algorithm is supported.
std::string unknown_key(const X509& certificate);
std::string unknown_signature(const X509& certificate);
// A clause about a key with which a signature takes far longer to verify than with any that a CA uses, which is why a
// client's certificates with such keys are not asked; "" for others.
std::string costly_key(const X509& certificate);

// The name of an ML-DSA or SLH-DSA parameter set ("ML-DSA-65"; FIPS 204 and 205) for a dotted OID, "" for other OIDs;
// and the list of all these names.
std::string_view post_quantum_name(std::string_view oid);
std::span<const std::string_view> post_quantum_names();

}  // namespace mtls
