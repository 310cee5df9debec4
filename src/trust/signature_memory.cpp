#include "mtls_authz/trust/signature_memory.hpp"

#include <cstdint>
#include <cstring>

namespace mtls {

SignatureMemory& signatures() {
    static SignatureMemory of_process;
    return of_process;
}

bool SignatureMemory::make_pair(std::string_view certificate, std::string_view key, Pair& out) noexcept {
    if (certificate.size() != kDigest || key.size() != kDigest) return false;
    certificate.copy(out.data(), kDigest);
    key.copy(out.data() + kDigest, kDigest);
    return out != Pair{};
}

SignatureMemory::Pair& SignatureMemory::place_of(const Pair& pair) noexcept {
    std::uint64_t first = 0;
    std::memcpy(&first, pair.data(), sizeof first);
    return known_[first % kPlaces];
}

bool SignatureMemory::knows(std::string_view certificate, std::string_view key) noexcept {
    Pair asked;
    if (!make_pair(certificate, key, asked)) return false;
    const std::lock_guard lock(mutex_);
    return place_of(asked) == asked;
}

void SignatureMemory::remember(std::string_view certificate, std::string_view key) noexcept {
    Pair verified;
    if (!make_pair(certificate, key, verified)) return;
    const std::lock_guard lock(mutex_);
    place_of(verified) = verified;
}

}  // namespace mtls
