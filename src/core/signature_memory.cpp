#include "mtls_authz/signature_memory.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace mtls {

namespace {

using Digest = std::array<std::uint8_t, 32>;

std::optional<Digest> read(std::string_view digest) {
    Digest out{};
    if (digest.size() != out.size()) return std::nullopt;
    std::memcpy(out.data(), digest.data(), out.size());
    if (out == Digest{}) return std::nullopt;
    return out;
}

std::size_t place_of(const Digest& digest) {
    std::uint64_t first = 0;
    std::memcpy(&first, digest.data(), sizeof first);
    return first % SignatureMemory::kPlaces;
}

}  // namespace

bool SignatureMemory::knows(std::string_view digest) noexcept {
    const auto wanted = read(digest);
    if (!wanted) return false;
    const std::lock_guard lock(mutex_);
    return known_[place_of(*wanted)] == *wanted;
}

void SignatureMemory::remember(std::string_view digest) noexcept {
    const auto verified = read(digest);
    if (!verified) return;
    const std::lock_guard lock(mutex_);
    known_[place_of(*verified)] = *verified;
}

}  // namespace mtls
