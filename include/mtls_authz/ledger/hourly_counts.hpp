// Allowed and denied requests in each of the last 24 hours, for the status page. In memory that all processes share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "mtls_authz/ledger/decision_counters.hpp"

namespace mtls {

// Requests write nothing here: note() records the current totals of DecisionCounters, and the count of an hour is the
// difference between its last total and that of the hour before. note() is idempotent: any process may call it, and one
// that is killed in it leaves valid totals. A row is 400 bytes, 400 kB for the server and kCountedPartners partners;
// note() does not touch the rows of partners without a number.
class HourlyCounts {
public:
    static constexpr std::size_t kHours = 24;
    struct Hour {
        std::uint64_t allowed = 0;
        std::uint64_t denied = 0;
    };
    using Day = std::array<Hour, kHours>;  // oldest first; the last one is the current hour

    // `taken`: how many partners have a number. `now`: seconds since the epoch. Call it each minute: a later call may
    // attribute up to one interval's requests to the next hour.
    void note(const DecisionCounters& counters, std::size_t taken, std::int64_t now) noexcept;
    Day of_server(std::int64_t now) const noexcept { return day_of(server_, now); }
    // `partner`: a number below kCountedPartners.
    Day of_partner(std::size_t partner, std::int64_t now) const noexcept { return day_of(partners_[partner], now); }

private:
    // One column more than is shown: the base of the oldest difference.
    static constexpr std::size_t kColumns = kHours + 1;
    struct Cell {
        std::atomic<std::uint64_t> allowed{0};
        std::atomic<std::uint64_t> denied{0};
    };
    using Row = std::array<Cell, kColumns>;
    Day day_of(const Row& row, std::int64_t now) const noexcept;

    std::array<std::atomic<std::int64_t>, kColumns> hours_{};  // of each column, in hours since the epoch
    std::atomic<std::int64_t> first_{0};                       // hour of the first note(); 0: none yet
    Row server_;
    std::array<Row, kCountedPartners> partners_;
};

// The sum of all 24 hours.
HourlyCounts::Hour sum_of(const HourlyCounts::Day& day);

}  // namespace mtls
