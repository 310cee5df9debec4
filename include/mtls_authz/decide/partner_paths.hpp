// Verifies the paths from a certificate to the anchors of partners.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// Of a detail: the nearest CA is a trust anchor of other partners alone.
constexpr std::string_view kAnchorOfOthers = " is a trust anchor of others, and none of ";

// For one certificate: each path is verified once, even if several partners need it. Borrows its arguments.
class PartnerPaths {
public:
    PartnerPaths(const Policy& policy, const PresentedCertificate& presented, const ServerCas& server,
                 const NearestCa& nearest, std::int64_t now)
        : policy_(policy), presented_(presented), server_(server), nearest_(nearest), now_(now) {}

    // The path that this identity requires: to the nearest CA that the policy names. Null if there is none;
    // last_failure() may say why. The caller may move from it.
    PathAnswer* path_for(const Policy::Match& match);
    // The certificates of this partner's anchors that are the nearest CA: the possible ends of the path.
    std::vector<Link> trusted_for(const Policy::Match& match);
    // Names an anchor of the policy that signed the certificate, or one above it, but may issue nothing, with its
    // fault; "" if there is none.
    std::string anchor_fault();
    // Why the nearest CA leads to none of these partners, which the certificate names; "" if it does, or there is none.
    std::string nearest_fault(const std::vector<const Partner*>& claimed) const;
    // Whether there is a path to mod_ssl's CAs.
    bool server_trusts_it();

    const std::string& last_failure() const { return last_failure_; }

private:
    bool is_nearest(const AnchorCertificate& c) const;
    bool is_of_trust_domain(const Anchor& anchor);
    PathAnswer& verify(const std::vector<Link>& trusted, const std::vector<Link>& helpers, int purpose);
    PathAnswer& verify_for(const Policy::Match& match, const std::vector<Link>& trusted,
                           const std::vector<Link>& helpers);
    PathAnswer* server_path(const Policy::Match& match);
    std::string objection_to(const PathAnswer& path) const;
    std::string objection_to_ca(const PathAnswer& path, std::size_t at, const std::string& id) const;
    Link leaf_link() const;

    const Policy& policy_;
    const PresentedCertificate& presented_;
    const ServerCas& server_;
    const NearestCa& nearest_;
    std::int64_t now_;
    HeldCertificates held_;
    std::map<std::pair<int, std::vector<X509*>>, PathAnswer> verified_;
    std::string last_failure_;
};

// `digests`: one per certificate, or empty.
std::vector<Link> links_to(const std::vector<X509Ptr>& certificates, const std::vector<std::string>& digests);

}  // namespace mtls
