#include "mtls_authz/decide/identification_cache.hpp"

namespace mtls {

const Identification& IdentificationCache::find_anew(const std::shared_ptr<const PresentedCertificate>& certificate,
                                                     const SnapshotReader& snapshot, const ServerCas& server,
                                                     std::int64_t now) {
    const std::lock_guard lock(finding_);
    const Known* const known = known_.load();
    if (known != nullptr && known->answers(certificate.get(), snapshot->serial, &server, now)) return known->who;
    std::unique_ptr<const Known> found(new Known{
        certificate, snapshot->serial, &server,
        mtls::identify(*snapshot->policy, *certificate, {server, *snapshot->refusals, *snapshot->crls, now})});
    const Identification& who = found->who;
    // Other streams may still use the previous entry.
    const std::shared_ptr<const Known> before(known_.exchange(found.release()));
    if (before) snapshot.retire(before);
    return who;
}

}  // namespace mtls
