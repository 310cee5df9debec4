#include "mtls_authz/identification_cache.hpp"

namespace mtls {

std::shared_ptr<const Identification> IdentificationCache::identify(
    std::shared_ptr<const PresentedCertificate> certificate, const Snapshot& snapshot, const ServerCas& server,
    std::int64_t now) {
    const std::lock_guard lock(mutex_);
    const bool known = who_ && certificate_ == certificate && serial_ == snapshot.serial && server_ == &server &&
                       who_->valid_from <= now && now <= who_->valid_until;
    if (!known) {
        who_.reset();  // should identify() throw, nothing stale is left
        who_ = std::make_shared<const Identification>(
            snapshot.policy->identify(*certificate, {server, *snapshot.refusals, *snapshot.crls, now}));
        certificate_ = std::move(certificate);
        serial_ = snapshot.serial;
        server_ = &server;
    }
    return who_;
}

}  // namespace mtls
