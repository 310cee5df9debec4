// The client's certificate in the handshake, for MTLSClientCA: verified by mod_ssl's own CAs or, where those do not, by
// the policy's live anchors.
#pragma once

#include <cstdint>

#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// What mod_ssl's own verification lets pass without a CRL of the issuer, or does not (`no_crl_for_cert_ok`).
enum class MissingCrl { kRefuses, kPasses };

struct HandshakeVerdict {
    int verified = 0;         // what X509_verify_cert() returned
    bool by_anchors = false;  // only the policy's anchors made it succeed
};

// Verifies `ctx`, as OpenSSL's verify callback gets it, against its own store, with the policy's MTLSIntermediates
// beside what the peer sent. Where that fails, and anchors that exist at `now` have issued the certificate, takes a
// path to one of these. Each path is tried by itself: OpenSSL chooses an issuer by its name, and looks at the signature
// afterwards, so of two CAs of one name it may take the wrong one. The last word is one verification with the callback
// and parameters of `ctx`; its error, depth, current certificate and chain are those of `ctx` afterwards.
// `ssl_index`: that of the SSL* among the context's data.
HandshakeVerdict verify_handshake(X509_STORE_CTX* ctx, const CaDirectory& policy, int ssl_index, MissingCrl missing,
                                  std::int64_t now);

// Whether this is one of the errors by which a certificate leads to no CA: `SSLVerifyClient optional_no_ca` lets it in.
bool is_of_unknown_ca(long error);

// mod_ssl's own CAs and CRLs of one virtual host, as they were at start.
struct OwnStore {
    X509StorePtr store;  // with the flags of mod_ssl's; null: verifies nothing
    int security_level = 1;
    MissingCrl missing = MissingCrl::kRefuses;
};

// Whether a handshake by these alone would let the certificate in, with the policy's MTLSIntermediates. The leaf's own
// dates are left out: gates ask them, and name them. `purpose`: as OpenSSL has them. From any thread.
bool verifies(const OwnStore& own, const PresentedCertificate& presented, const CaDirectory& policy,
              int purpose = X509_PURPOSE_SSL_CLIENT);

}  // namespace mtls
