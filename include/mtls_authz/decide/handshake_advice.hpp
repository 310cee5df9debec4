// Advice from the policy about a handshake that mod_ssl refused: a clause for the log and the status page.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

struct RefusedPath {
    const PresentedCertificate& presented;
    HandshakeRefusal reason;
    const X509* at;                              // the certificate with the error, or null
    std::size_t cas;                             // on the path that OpenSSL tried
    const std::vector<const Partner*>& claimed;  // by the certificate's names
    bool has_anchors;                            // MTLSClientCA: the policy's CAs count in the handshake
    const std::vector<X509Ptr>& of_server;       // mod_ssl's CAs
};

struct HandshakeAdvice {
    std::string clause;              // "; ..." after the reason's sentence, or empty
    bool is_issuer_unknown = false;  // its nearest CA is none that the claimed partners have
};
HandshakeAdvice advise(const RefusedPath& refused, const Policy& policy, std::int64_t now);

}  // namespace mtls
