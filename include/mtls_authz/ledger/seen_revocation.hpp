// Which certificates that were seen a revocation hits. For people: requests are decided elsewhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// A certificate that was kept, with what is known above it.
struct KeptCertificate {
    PresentedCertificate presented;
    std::vector<CaDigests> above;
    std::vector<X509Ptr> cas;

    bool is_hit_by(const RevocationSet& revocations) const;
    // A list in force of its issuer, as far as the policy has that CA, lists it.
    bool is_listed(const Policy& policy, const CrlSet& crls, std::int64_t now) const;
};
// Nothing where it is not kept: it was too large, or another one is in its place.
std::optional<KeptCertificate> kept_certificate(const Policy& policy, const Sightings& sightings, std::size_t number,
                                                const Sighting& sighting, std::int64_t now);

// Marks in `sightings` what is revoked, for the page. Each certificate is asked about once for each snapshot. Of one
// process; not thread-safe.
class RevokedMarks {
public:
    void update(Sightings& sightings, const Snapshot& snapshot, std::int64_t now);

private:
    std::uint64_t serial_ = 0;                                   // of the snapshot that all of `asked_` were asked in
    std::map<std::pair<std::size_t, std::string>, bool> asked_;  // by number and SHA-256
};

}  // namespace mtls
