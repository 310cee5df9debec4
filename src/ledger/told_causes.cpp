#include "mtls_authz/ledger/told_causes.hpp"

namespace mtls {

CauseMemory::CauseMemory(ToldCauses& shared) : shared_(shared) {
    for (const auto& cause : shared_.causes) known_.insert(cause);
    known_.erase(0);
}

void CauseMemory::add(std::uint64_t cause) {
    if (!known_.insert(cause).second) return;
    auto& place = shared_.causes[shared_.written++ % ToldCauses::kKept];
    known_.erase(place.exchange(cause));
}

void CauseMemory::forget(std::uint64_t cause) {
    if (known_.erase(cause) == 0) return;
    for (auto& place : shared_.causes) {
        std::uint64_t expected = cause;
        if (place.compare_exchange_strong(expected, 0)) return;
    }
}

}  // namespace mtls
