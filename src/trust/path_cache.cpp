#include "mtls_authz/trust/path_cache.hpp"

namespace mtls {

std::shared_ptr<const PathCache::Path> PathCache::find(std::string_view question) noexcept {
    const std::lock_guard lock(mutex_);
    const Slot& slot = slot_of(question);
    return slot.question == question ? slot.path : nullptr;
}

void PathCache::insert(std::string_view question, Path path) {
    auto kept = std::make_shared<const Path>(std::move(path));
    const std::lock_guard lock(mutex_);
    Slot& slot = slot_of(question);
    slot.question = question;
    slot.path.swap(kept);
}

}  // namespace mtls
