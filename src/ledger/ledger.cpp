#include "mtls_authz/ledger/ledger.hpp"

#include <sys/mman.h>

#include <ctime>
#include <new>

#include "mtls_authz/system/sealed_file.hpp"

namespace mtls {

namespace {

// Raise it with every change of the ledger's layout.
constexpr std::uint64_t kVersion = 7;
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

void Children::report(const ChildInfo& info) noexcept {
    for (Slot& slot : slots_) {
        if (slot.pid.load() != info.pid) continue;
        slot.info.write(info);
        return;
    }
    for (Slot& slot : slots_) {
        std::int32_t owner = slot.pid.load();
        const bool is_free = owner == 0 || is_process_gone(owner);
        if (!is_free || !slot.pid.compare_exchange_strong(owner, info.pid)) continue;
        slot.info.write(info);
        return;
    }
}

void Children::remove(std::int32_t pid) noexcept {
    for (Slot& slot : slots_) {
        std::int32_t owner = pid;
        slot.pid.compare_exchange_strong(owner, 0);
    }
}

std::vector<ChildInfo> Children::alive() const {
    std::vector<ChildInfo> out;
    for (const Slot& slot : slots_) {
        const std::int32_t owner = slot.pid.load();
        if (owner == 0 || is_process_gone(owner)) continue;
        const auto info = slot.info.read();
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
