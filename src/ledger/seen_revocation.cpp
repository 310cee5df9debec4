#include "mtls_authz/ledger/seen_revocation.hpp"

#include "mtls_authz/base/text.hpp"

namespace mtls {

bool KeptCertificate::is_hit_by(const RevocationSet& revocations) const {
    const CertificateFacts& facts = presented.facts;
    return revocations.find(facts, above, facts.policies) != nullptr || revocations.find_ca(cas, above) != nullptr;
}

bool KeptCertificate::is_listed(const Policy& policy, const CrlSet& crls, std::int64_t now) const {
    if (crls.empty()) return false;
    CrlSigners signers;
    signers.named = [&policy](const std::string& name) { return policy.cas().cas_named(name); };
    signers.classify = [](X509& signer) {
        return may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign;
    };
    std::vector<std::int64_t> edges;
    std::string detail;
    return check_crls({&crls}, *presented.leaf, signers, {}, now, edges, detail) == CrlStatus::kRevoked;
}

std::optional<KeptCertificate> kept_certificate(const Policy& policy, const Sightings& sightings, std::size_t number,
                                                const Sighting& sighting, std::int64_t now) {
    const auto kept = sightings.certificate(number, sighting);
    const X509Ptr leaf = kept ? kept->decode_leaf() : nullptr;
    if (!leaf || hex(bytes_of(certificate_sha256(*leaf))) != sighting.sha256.view()) return std::nullopt;
    KeptCertificate out{PresentedCertificate(*leaf, SentHelpers()), {}, {}};
    NearestCa nearest = find_nearest_ca(policy.cas(), out.presented, {}, now);
    out.above = std::move(nearest.above);
    out.cas = std::move(nearest.cas);
    const auto kept_above = kept->decode_above();
    out.above.insert(out.above.end(), kept_above.begin(), kept_above.end());
    return out;
}

void RevokedMarks::update(Sightings& sightings, const Snapshot& snapshot, std::int64_t now) {
    if (snapshot.serial != serial_) asked_.clear();
    serial_ = snapshot.serial;
    const Policy& policy = *snapshot.policy;
    std::map<std::pair<std::size_t, std::string>, bool> asked;
    for (const Sightings::Seen& seen : sightings.all()) {
        for (const auto& [sighting, was_revoked] : seen.certificates) {
            const std::pair key{seen.number, sighting.sha256.str()};
            if (const auto previous = asked_.find(key); previous != asked_.end()) {
                asked.insert(*previous);
                continue;
            }
            const auto kept = kept_certificate(policy, sightings, seen.number, sighting, now);
            const bool is_revoked =
                kept && (kept->is_hit_by(policy.revocations()) || kept->is_hit_by(snapshot.refusals->revocations) ||
                         kept->is_listed(policy, *snapshot.crls, now));
            // Do not cache a certificate that is not kept: keep() may still store it.
            if (kept) asked.emplace(key, is_revoked);
            if (kept && is_revoked != was_revoked) sightings.mark(seen.number, sighting, is_revoked);
        }
    }
    asked_ = std::move(asked);
}

}  // namespace mtls
