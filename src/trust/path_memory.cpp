#include "mtls_authz/trust/path_memory.hpp"

namespace mtls {

std::shared_ptr<const PathMemory::Path> PathMemory::find(std::string_view question) noexcept {
    const std::lock_guard lock(mutex_);
    const Place& place = place_of(question);
    return place.question == question ? place.path : nullptr;
}

void PathMemory::remember(std::string_view question, Path path) {
    auto kept = std::make_shared<const Path>(std::move(path));
    const std::lock_guard lock(mutex_);
    Place& place = place_of(question);
    place.question = question;
    place.path.swap(kept);
}

}  // namespace mtls
