// Steps 4 to 9 of a request: whom a certificate belongs to, and whether that partner can act now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/base/published.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/policy/refusals.hpp"
#include "mtls_authz/rules/granted_paths.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// Whom a certificate belongs to, and every fact about that which does not depend on the request. Borrows from the
// policy.
struct Identification {
    // kGranted: `partner` is identified, current and not suspended. Its networks are asked for each request.
    Reason reason = Reason::kInternalError;
    const Partner* partner = nullptr;     // null unless identified
    std::optional<Identity> identity;     // the first in file order that fits
    std::vector<const Partner*> claimed;  // whom the certificate names, where not identified; at most three
    std::optional<Identity> claimed_identity;
    std::string detail;

    PathFacts path;                          // of the verified path
    bool is_purpose_waived = false;          // that path is one of certificates made for servers (MTLSPurpose)
    bool is_crl_spared = false;              // MTLSCRL required, but MTLSShortLived spares this leaf
    std::string nearest_ca_key;              // SHA-256 of the key of the nearest CA that the policy names, or empty
    std::vector<X509Ptr> intermediates;      // of that path, between the leaf and the anchor
    std::vector<std::string> groups;         // of this certificate, for whatever grants
    std::vector<std::string> denied_groups;  // for MTLSDeny: conditions that cannot tell count as fulfilled
    std::vector<std::pair<std::string, std::string>> variables;  // MTLS_ATTR_NAME and its value
    struct Description {
        std::string groups;      // comma-separated
        std::string identity;    // the selectors of the identity
        std::string sha256;      // hex
        std::string thumbprint;  // base64url of the same digest (RFC 8705 3.1)
    };
    Description description;  // of an identified partner and this certificate
    GrantedPaths grants;      // of this certificate

    // Seconds since the epoch, inclusive: asked again within them, the answer would be the same.
    std::int64_t valid_from = INT64_MIN;
    std::int64_t valid_until = INT64_MAX;

    // The intermediates as RFC 9440 has them; made once, by the thread that asks first.
    const std::string& client_cert_chain() const {
        return client_cert_chain_.get([this] { return client_cert_chain_value(intermediates); });
    }

private:
    MadeOnce<std::string> client_cert_chain_ = {};
};

// What a certificate is identified with, beside the policy itself.
struct Surroundings {
    const ServerCas& server;   // of the virtual host that serves the request, for partners that trust `mod_ssl`
    const Refusals& refusals;  // from revocation files
    const CrlSet& crls;        // from CRL files
    std::int64_t now = 0;      // seconds since the epoch
};

// Steps 4 to 9: malformed, dates, MTLSRevoke, identity, path, suspension, contract. Throws std::bad_alloc alone.
// Thread-safe.
Identification identify(const Policy& policy, const PresentedCertificate& presented, const Surroundings& around);

// The same for MTLSExpect: identity, path and grants alone. Dates, revocation, suspension and contract are left out.
Identification identify_at_any_time(const Policy& policy, const PresentedCertificate& presented,
                                    const ServerCas& server);

// Whom a certificate names, whoever issued it; at most three.
std::vector<const Partner*> claimed_by(const Policy& policy, const CertificateFacts& facts);

// For the handshake: whether this is a partner's certificate by its MTLSPurpose serverAuth alone: it fits an identity
// of that partner, and has a path to its anchor that is one for servers.
bool waives_purpose_of(const Policy& policy, const PresentedCertificate& presented, const ServerCas& server,
                       std::int64_t now);

// Why a partner cannot act at `around.now`, whatever its certificate: suspended, or outside of its contract. kGranted
// where it can; `detail` says more where it cannot.
Reason contract_objection(const Partner& partner, const Surroundings& around, std::string& detail);

}  // namespace mtls
