#include "mtls_authz/ledger/hourly_counts.hpp"

#include <algorithm>

#include "mtls_authz/base/calendar.hpp"

namespace mtls {

namespace {

std::size_t column_of(std::int64_t hour, std::size_t columns) { return static_cast<std::size_t>(hour) % columns; }

}  // namespace

void HourlyCounts::note(const DecisionCounters& counters, std::size_t taken, std::int64_t now) noexcept {
    const std::int64_t hour = now / kHour;
    const std::size_t column = column_of(hour, kColumns);
    const auto put = [column](Row& row, std::uint64_t allowed, std::uint64_t denied) {
        row[column].allowed.store(allowed, std::memory_order_relaxed);
        row[column].denied.store(denied, std::memory_order_relaxed);
    };
    std::uint64_t allowed = 0, denied = 0;
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        allowed += counters.decisions(Outcome::kAllow, static_cast<Reason>(i));
        denied += counters.decisions(Outcome::kDeny, static_cast<Reason>(i));
    }
    put(server_, allowed, denied);
    for (std::size_t i = 0; i < std::min(taken, kCountedPartners); ++i) {
        put(partners_[i], counters.of_partner(i, Outcome::kAllow), counters.of_partner(i, Outcome::kDeny));
    }
    std::int64_t none = 0;
    first_.compare_exchange_strong(none, hour);
    hours_[column].store(hour, std::memory_order_release);
}

// An hour without a note() has no value: its requests count in the next hour that has one. All counts are 0 before the
// first hour.
HourlyCounts::Day HourlyCounts::day_of(const Row& row, std::int64_t now) const noexcept {
    constexpr auto kShown = static_cast<std::int64_t>(kHours);
    const std::int64_t last = now / kHour;
    const std::int64_t first = first_.load(std::memory_order_relaxed);
    Day out{};
    Hour before;
    bool has_before = first > last - kShown;
    for (std::int64_t i = 0; i <= kShown; ++i) {
        const std::int64_t hour = last - kShown + i;
        const std::size_t column = column_of(hour, kColumns);
        if (hours_[column].load(std::memory_order_acquire) != hour) continue;
        const Hour end{row[column].allowed.load(std::memory_order_relaxed),
                       row[column].denied.load(std::memory_order_relaxed)};
        // Of two concurrent notes, the older total may be stored last.
        const auto grown = [](std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; };
        if (i > 0 && has_before)
            out[static_cast<std::size_t>(i - 1)] = {grown(before.allowed, end.allowed),
                                                    grown(before.denied, end.denied)};
        before = end;
        has_before = true;
    }
    return out;
}

HourlyCounts::Hour sum_of(const HourlyCounts::Day& day) {
    HourlyCounts::Hour out;
    for (const HourlyCounts::Hour& hour : day) {
        out.allowed += hour.allowed;
        out.denied += hour.denied;
    }
    return out;
}

}  // namespace mtls
