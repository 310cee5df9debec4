#include "mtls_authz/ledger/reported_causes.hpp"

namespace mtls {

CauseIndex::CauseIndex(ReportedCauses& shared) : shared_(shared) {
    for (const auto& cause : shared_.causes) index_.insert(cause);
    index_.erase(0);
}

void CauseIndex::add(std::uint64_t cause) {
    if (!index_.insert(cause).second) return;
    auto& slot = shared_.causes[shared_.written++ % ReportedCauses::kKept];
    index_.erase(slot.exchange(cause));
}

void CauseIndex::forget(std::uint64_t cause) {
    if (index_.erase(cause) == 0) return;
    for (auto& slot : shared_.causes) {
        std::uint64_t expected = cause;
        if (slot.compare_exchange_strong(expected, 0)) return;
    }
}

}  // namespace mtls
