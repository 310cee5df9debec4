// Verifies the client's certificate in the handshake, for MTLSClientCA: with mod_ssl's own CAs, or, if that fails, with
// the policy's live anchors.
#pragma once

#include <cstdint>
#include <vector>

#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// Whether mod_ssl accepts a certificate without a CRL of its issuer (`no_crl_for_cert_ok`).
enum class MissingCrl { kRefuses, kPasses };

struct HandshakeVerdict {
    int verified = 0;         // return value of X509_verify_cert()
    bool by_anchors = false;  // only the policy's anchors made it succeed
    // If verified, and the callback overruled nothing: the chain, each certificate signed by the next.
    std::vector<X509Ptr> chain = {};
};

// Verifies `ctx`, as passed to OpenSSL's verify callback, against its own store.
HandshakeVerdict verify_handshake(X509_STORE_CTX* ctx);

// The same, with the policy's MTLSIntermediates added to the certificates of the peer. If that fails, and anchors at
// `now` have issued the certificate, tries the paths to these anchors, each one separately: OpenSSL selects an issuer
// by name before it checks the signature, so it may select the wrong one of two CAs with one name. The result comes
// from one verification with the callback and parameters of `ctx`; its error, depth, current certificate and chain are
// copied to `ctx`. `ssl_index`: the ex_data index of the SSL*.
HandshakeVerdict verify_handshake(X509_STORE_CTX* ctx, const CaDirectory& policy, int ssl_index, MissingCrl missing,
                                  std::int64_t now);

// Whether this error means that the certificate leads to no CA; `SSLVerifyClient optional_no_ca` accepts it.
bool is_of_unknown_ca(long error);

// mod_ssl's own CAs and CRLs for one virtual host, as they were at start.
struct OwnStore {
    X509StorePtr store;  // with mod_ssl's flags; null: verifies nothing
    int security_level = 1;
    MissingCrl missing = MissingCrl::kRefuses;
};

// Whether a handshake with this store alone, plus the policy's MTLSIntermediates, would accept the certificate. Ignores
// the leaf's own dates, which the gates check and report. `purpose`: X509_PURPOSE_*. Callable from any thread.
bool verifies(const OwnStore& own, const PresentedCertificate& presented, const CaDirectory& policy,
              int purpose = X509_PURPOSE_SSL_CLIENT);

}  // namespace mtls
