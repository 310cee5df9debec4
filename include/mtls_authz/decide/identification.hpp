// Steps 4 to 9 of a decision: the partner of a certificate, and whether it may act now.
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

constexpr const char* kAttributeVariable = "MTLS_ATTR_";

// Of partners that a certificate names without being theirs, so many are told.
constexpr std::size_t kMostClaimed = 3;

// The partner of a certificate, and all facts that do not depend on the request. Borrows from the policy.
struct Identification {
    // kGranted: `partner` is identified, within its contract and not suspended. Its networks are checked per request.
    Reason reason = Reason::kInternalError;
    const Partner* partner = nullptr;     // null if not identified
    std::optional<Identity> identity;     // the first match in file order
    std::vector<const Partner*> claimed;  // if not identified: whom the certificate names; at most kMostClaimed
    std::optional<Identity> claimed_identity;
    std::string detail;

    PathFacts path;                          // facts of the verified path
    bool is_purpose_waived = false;          // the path is valid only for the purpose of servers (MTLSPurpose)
    bool is_crl_exempt = false;              // MTLSCRL is required, but MTLSShortLived exempts this leaf
    std::string nearest_ca_key;              // SHA-256 of the key of the nearest CA that the policy names, or empty
    std::vector<X509Ptr> intermediates;      // of the path, between the leaf and the anchor
    std::vector<std::string> groups;         // groups of this certificate, for granting
    std::vector<std::string> denied_groups;  // for MTLSDeny: conditions with kCannotTell count as fulfilled
    std::vector<std::pair<std::string, std::string>> variables;  // kAttributeVariable + NAME, and its value
    struct Description {
        std::string groups;       // comma-separated
        std::string identity;     // the selectors of the identity
        std::string sha256;       // hex
        std::string thumbprint;   // base64url of the same digest (RFC 8705 3.1)
        std::string issuer_spki;  // hex SHA-256 of the key of the leaf's issuer
    };
    Description description;  // only if identified
    GrantedPaths grants;      // the grants for this certificate

    // The validity interval of this result: seconds since the epoch, inclusive.
    std::int64_t valid_from = INT64_MIN;
    std::int64_t valid_until = INT64_MAX;

    // The intermediates in the format of RFC 9440; computed once, on first use.
    const std::string& client_cert_chain() const {
        return client_cert_chain_.get([this] { return client_cert_chain_value(intermediates); });
    }

private:
    MadeOnce<std::string> client_cert_chain_ = {};
};

// The input of identify() besides the policy and the certificate.
struct IdentifyContext {
    const ServerCas& server;   // of the virtual host, for partners that trust `mod_ssl`
    const Refusals& refusals;  // from the revocation files
    const CrlSet& crls;        // from the CRL files
    std::int64_t now = 0;      // seconds since the epoch
};

// Steps 4 to 9: malformed, dates, MTLSRevoke, identity, path, suspension, contract. Throws only std::bad_alloc.
// Thread-safe.
Identification identify(const Policy& policy, const PresentedCertificate& presented, const IdentifyContext& context);

// The same for MTLSExpect: only identity, path and grants, without dates, revocation, suspension and contract.
Identification identify_at_any_time(const Policy& policy, const PresentedCertificate& presented,
                                    const ServerCas& server);

// The partners with an identity that matches the certificate, at most three. Does not check its issuer.
std::vector<const Partner*> claimed_by(const Policy& policy, const CertificateFacts& facts);

// Whether a certificate of the anchor has this key, at any time; not for an empty one.
bool has_ca(const Anchor& anchor, std::string_view spki_sha256);
// Whether one of these partners has such an anchor.
bool has_anchor(const std::vector<const Partner*>& partners, std::string_view spki_sha256);

// For the handshake: whether the certificate maps to a partner only by its MTLSPurpose serverAuth: it matches an
// identity of that partner, and its path to the partner's anchor is valid only for servers.
bool waives_purpose_of(const Policy& policy, const PresentedCertificate& presented, const ServerCas& server,
                       std::int64_t now);

// Why a partner may not act at `context.now`, independent of the certificate: suspended, or outside of its contract.
// kGranted if it may; else `detail` gives the position or the date.
Reason contract_objection(const Partner& partner, const IdentifyContext& context, std::string& detail);

}  // namespace mtls
