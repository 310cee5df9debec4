#include "mtls_authz/ledger/ledger.hpp"

#include <sys/mman.h>

#include <ctime>
#include <new>

#include "mtls_authz/system/sealed_file.hpp"

namespace mtls {

namespace {

// To be raised with any change of what the ledger holds.
constexpr std::uint64_t kVersion = 6;
constexpr std::uint64_t kLayout = 0x6d746c735f6c0000 + (kVersion << 40U) + sizeof(Ledger);

}  // namespace

void Examples::add(Reason reason, const Example& example) noexcept {
    Ring& ring = rings_[static_cast<std::size_t>(reason)];
    ring.examples[ring.next.fetch_add(1, std::memory_order_relaxed) % kKept].write(example);
}

std::vector<Example> Examples::newest(Reason reason) const {
    const Ring& ring = rings_[static_cast<std::size_t>(reason)];
    std::vector<Example> out;
    for (const auto& record : ring.examples) {
        if (const auto example = record.read()) out.push_back(*example);
    }
    std::stable_sort(out.begin(), out.end(), [](const Example& a, const Example& b) { return a.time > b.time; });
    return out;
}

void Children::tell(const ChildInfo& info) noexcept {
    for (Place& place : places_) {
        std::int32_t owner = place.pid.load();
        const bool is_free = owner == 0 || owner == info.pid || is_process_gone(owner);
        if (!is_free || !place.pid.compare_exchange_strong(owner, info.pid)) continue;
        place.info.write(info);
        return;
    }
}

void Children::leave(std::int32_t pid) noexcept {
    for (Place& place : places_) {
        std::int32_t owner = pid;
        place.pid.compare_exchange_strong(owner, 0);
    }
}

std::vector<ChildInfo> Children::alive() const {
    std::vector<ChildInfo> out;
    for (const Place& place : places_) {
        const std::int32_t owner = place.pid.load();
        if (owner == 0 || is_process_gone(owner)) continue;
        const auto info = place.info.read();
        if (info && info->pid == owner) out.push_back(*info);
    }
    return out;
}

Ledger* Ledger::create() {
    void* const memory =
        mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | kNoReserve, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* const ledger = new (memory) Ledger;
    ledger->sightings.release_pages();
    ledger->since = std::time(nullptr);
    ledger->watched_since = ledger->since;
    ledger->layout = kLayout;
    return ledger;
}

Ledger* Ledger::adopt(void* memory) {
    auto* const ledger = static_cast<Ledger*>(memory);
    return ledger != nullptr && ledger->layout == kLayout ? ledger : nullptr;
}

}  // namespace mtls
