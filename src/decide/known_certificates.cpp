#include "mtls_authz/decide/known_certificates.hpp"

namespace mtls {

const Identification& KnownCertificate::recompute(const SnapshotReader& snapshot, const ServerCas& server,
                                                  std::int64_t now) {
    const std::lock_guard lock(compute_mutex_);
    const Entry* const entry = entry_.load();
    if (entry != nullptr && entry->answers(snapshot->serial, &server, now)) return entry->who;
    std::unique_ptr<const Entry> found(new Entry{
        snapshot->serial, &server,
        mtls::identify(*snapshot->policy, certificate_, {server, *snapshot->refusals, *snapshot->crls, now})});
    const Identification& who = found->who;
    // Other threads may still use the previous entry.
    const std::shared_ptr<const Entry> before(entry_.exchange(found.release()));
    if (before) snapshot.retire(before);
    return who;
}

// The length comes first, so that the boundary between the two is part of the key.
std::string KnownCertificates::key_of(const X509& leaf, std::string_view helpers) {
    const std::string der = encode(i2d_X509, leaf);
    std::string key = std::to_string(der.size()) + ":";
    key.reserve(key.size() + der.size() + helpers.size());
    return key.append(der).append(helpers);
}

KnownCertificates& known_certificates() {
    static KnownCertificates of_process;
    return of_process;
}

}  // namespace mtls
