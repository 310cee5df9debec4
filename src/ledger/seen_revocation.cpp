#include "mtls_authz/ledger/seen_revocation.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"

namespace mtls {

bool KeptCertificate::is_hit_by(const RevocationSet& revocations) const {
    const CertificateFacts& facts = presented.facts;
    return revocations.find(facts, above, facts.policies) != nullptr || revocations.find_ca(cas, above) != nullptr;
}

bool KeptCertificate::is_listed(const Policy& policy, const CrlSet& crls, std::int64_t now) const {
    if (crls.empty()) return false;
    CrlSigners signers;
    signers.named = [&](const std::string& name) {
        auto out = policy.cas().cas_named(name);
        for (X509Ptr& helper : by_name(presented.helpers)(name)) out.push_back(std::move(helper));
        return out;
    };
    signers.classify = [](X509& signer) {
        return may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign;
    };
    std::vector<std::int64_t> edges;
    std::string detail;
    const auto lists = [&](X509& certificate) {
        return check_crls({&crls}, certificate, signers, {}, now, edges, detail) == CrlStatus::kRevoked;
    };
    return lists(*presented.leaf) || std::any_of(presented.helpers.begin(), presented.helpers.end(),
                                                 [&](const X509Ptr& helper) { return lists(*helper); });
}

std::optional<KeptCertificate> kept_certificate(const Policy& policy, const Sightings& sightings, std::size_t number,
                                                const Sighting& sighting, std::int64_t now) {
    const auto kept = sightings.certificate(number, sighting);
    std::vector<X509Ptr> chain = kept ? kept->decode() : std::vector<X509Ptr>();
    if (chain.empty() || hex(bytes_of(certificate_sha256(*chain.front()))) != sighting.sha256.view())
        return std::nullopt;
    const X509Ptr leaf = std::move(chain.front());
    chain.erase(chain.begin());
    KeptCertificate out{PresentedCertificate(*leaf, SentHelpers{std::move(chain), {}}), {}, {}};
    NearestCa nearest = find_nearest_ca(policy.cas(), out.presented, {}, now);
    out.is_path_known = nearest.found();
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
            if (!kept) continue;
            asked.emplace(key, is_revoked);
            // Without its path, a CRL or a CA's revocation may revoke it all the same.
            const bool is_known = is_revoked || kept->is_path_known;
            const std::optional<bool> answer = is_known ? std::optional(is_revoked) : std::nullopt;
            if (answer != was_revoked) sightings.mark(seen.number, sighting, answer);
        }
    }
    asked_ = std::move(asked);
}

}  // namespace mtls
