#include "mtls_authz/ledger/log_limiter.hpp"

#include <bit>
#include <cstring>

#include "mtls_authz/system/this_thread.hpp"

namespace mtls {

std::uint64_t mixed(std::uint64_t key, std::uint64_t part) noexcept {
    // FNV-1a's step, on 64-bit words.
    key = (key ^ part) * kGoldenRatio;
    return key ^ (key >> 32);
}

std::uint64_t mixed(std::uint64_t key, std::string_view part) noexcept {
    key = mixed(key, part.size());
    while (!part.empty()) {
        std::uint64_t word = 0;
        const std::size_t size = part.size() < sizeof word ? part.size() : sizeof word;
        std::memcpy(&word, part.data(), size);
        key = mixed(key, word);
        part.remove_prefix(size);
    }
    return key;
}

namespace {

// 0 marks a free entry.
std::uint64_t own(std::uint64_t key) noexcept { return key != 0 ? key : 1; }

}  // namespace

LogLimiter::Entry* LogLimiter::find(std::uint64_t key) noexcept {
    const std::size_t first = first_of(key);
    for (std::size_t i = 0; i < kNeighbours; ++i) {
        if (entries_[first + i].key.load() == key) return &entries_[first + i];
    }
    return nullptr;
}

// The kind's own entry, or a free or expired one; else the shared entry of all other kinds.
LogLimiter::Entry& LogLimiter::entry_of(const Kind& kind, std::int64_t now) noexcept {
    const std::uint64_t key = own(kind.key);
    if (Entry* const existing = find(key)) return *existing;
    const std::size_t first = first_of(key);
    for (std::size_t i = 0; i < kNeighbours; ++i) {
        Entry& entry = entries_[first + i];
        std::uint64_t owner = entry.key.load();
        const auto minute = std::bit_cast<Minute>(entry.minute.load());
        if (owner != 0 && (minute.has_left_out() || !minute.is_over(now))) continue;
        if (entry.key.compare_exchange_strong(owner, key)) {
            entry.label.write({kind.about, kind.level});
            return entry;
        }
        if (owner == key) return entry;
    }
    others_.label.write({std::string_view("of many kinds"), kind.level});
    return others_;
}

bool LogLimiter::admits_at(Entry& entry, std::int64_t now) noexcept {
    std::uint64_t packed = entry.minute.load();
    Minute next{};
    do {
        next = std::bit_cast<Minute>(packed);
        // A minute without dropped lines restarts here; take_left_out() ends the others.
        if (!next.has_left_out() && next.is_over(now)) next = {static_cast<std::uint32_t>(now), 0};
        if (next.seen < UINT32_MAX) ++next.seen;
    } while (!entry.minute.compare_exchange_weak(packed, std::bit_cast<std::uint64_t>(next)));
    if (!next.has_left_out()) return true;
    has_left_out_.store(true);
    return false;
}

bool LogLimiter::admits(const Kind& kind, std::int64_t now) noexcept { return admits_at(entry_of(kind, now), now); }

std::optional<bool> LogLimiter::admits_existing(std::uint64_t key, std::int64_t now) noexcept {
    Entry* const entry = find(own(key));
    if (entry == nullptr) return std::nullopt;
    return admits_at(*entry, now);
}

std::vector<LogLimiter::LeftOut> LogLimiter::take_left_out(std::int64_t now) {
    std::vector<LeftOut> out;
    if (!has_left_out_.exchange(false)) return out;
    const auto take = [&](Entry& entry) {
        std::uint64_t packed = entry.minute.load();
        const auto minute = std::bit_cast<Minute>(packed);
        if (!minute.has_left_out()) return;
        if (!minute.is_over(now)) return has_left_out_.store(true);
        const Minute next{static_cast<std::uint32_t>(now), 0};
        if (!entry.minute.compare_exchange_strong(packed, std::bit_cast<std::uint64_t>(next))) return;
        const auto label = entry.label.read();
        if (label) out.push_back({label->about.str(), label->level, minute.seen - kInFull, minute.since});
    };
    for (Entry& entry : entries_) take(entry);
    take(others_);
    return out;
}

}  // namespace mtls
