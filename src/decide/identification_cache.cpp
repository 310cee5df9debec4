#include "mtls_authz/decide/identification_cache.hpp"

namespace mtls {

const Identification& IdentificationCache::recompute(const std::shared_ptr<const PresentedCertificate>& certificate,
                                                     const SnapshotReader& snapshot, const ServerCas& server,
                                                     std::int64_t now) {
    const std::lock_guard lock(compute_mutex_);
    const Entry* const entry = entry_.load();
    if (entry != nullptr && entry->answers(certificate.get(), snapshot->serial, &server, now)) return entry->who;
    std::unique_ptr<const Entry> found(new Entry{
        certificate, snapshot->serial, &server,
        mtls::identify(*snapshot->policy, *certificate, {server, *snapshot->refusals, *snapshot->crls, now})});
    const Identification& who = found->who;
    // Other streams may still use the previous entry.
    const std::shared_ptr<const Entry> before(entry_.exchange(found.release()));
    if (before) snapshot.retire(before);
    return who;
}

}  // namespace mtls
