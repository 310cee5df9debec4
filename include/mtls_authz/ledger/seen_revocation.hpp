// Which seen certificates a revocation matches, for the status page and the log. Requests do not use it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// A certificate kept in the ledger, with the CAs above it as far as the policy has them.
struct KeptCertificate {
    PresentedCertificate presented;
    std::vector<CaDigests> above;
    std::vector<X509Ptr> cas;
    bool is_path_known = false;  // up to a CA of the policy

    bool is_hit_by(const RevocationSet& revocations) const;
    // Whether a CRL in force lists it, or an intermediate of its path.
    bool is_listed(const Policy& policy, const CrlSet& crls, std::int64_t now) const;
};
// nullopt if the certificate is not kept: it was too large, or another one has replaced it.
std::optional<KeptCertificate> kept_certificate(const Policy& policy, const Sightings& sightings, std::size_t number,
                                                const Sighting& sighting, std::int64_t now);

// Marks revoked certificates in `sightings` for the status page. Checks each certificate once per snapshot. One per
// process; not thread-safe.
class RevokedMarks {
public:
    void update(Sightings& sightings, const Snapshot& snapshot, std::int64_t now);

private:
    std::uint64_t serial_ = 0;                                   // the snapshot that `asked_` was computed with
    std::map<std::pair<std::size_t, std::string>, bool> asked_;  // is revoked, by partner number and SHA-256
};

}  // namespace mtls
