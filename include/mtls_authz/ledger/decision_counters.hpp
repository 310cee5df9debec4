// Decision counters in memory that all processes and threads of a server share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "mtls_authz/policy/outcome.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/system/this_thread.hpp"

namespace mtls {

constexpr std::size_t kCountedPartners = 1000;  // counted by name; all others share one number

// Inclusive upper bounds of the histogram of decision times, in nanoseconds.
constexpr std::array<std::uint64_t, 12> kDurationBounds = {250,    500,    1'000,   2'500,   5'000,     10'000,
                                                           25'000, 50'000, 100'000, 250'000, 1'000'000, 10'000'000};

// Each processor counts in its own shard, so that no two contend for a cache line; readers add the shards up.
class DecisionCounters {
public:
    using Count = std::uint64_t;

    // `partner`: a number below kCountedPartners, kCountedPartners for all others, or kNoPartner. `nanoseconds`:
    // duration of the decision; negative: not measured.
    static constexpr std::size_t kNoPartner = kCountedPartners + 1;
    void count(Outcome outcome, Reason reason, std::size_t partner, std::int64_t nanoseconds = -1) noexcept {
        Shard& own = shard();
        add(own.decisions[index(outcome)][index(reason)]);
        if (partner < kNoPartner) add(own.partners[partner][index(outcome)]);
        if (nanoseconds >= 0) own.observe(static_cast<Count>(nanoseconds));
    }

    Count decisions(Outcome outcome, Reason reason) const noexcept;
    Count of_partner(std::size_t partner, Outcome outcome) const noexcept;

    struct Durations {
        std::array<Count, kDurationBounds.size() + 1> buckets{};  // not cumulative; the last one is above all bounds
        Count nanoseconds = 0;                                    // sum of all durations
    };
    Durations durations() const noexcept;

private:
    using Cell = std::atomic<Count>;
    static constexpr std::size_t kShards = 64;  // with more processors, some share a shard
    struct alignas(64) Shard {
        std::array<std::array<Cell, kReasonCount>, kOutcomes.size()> decisions{};
        std::array<std::array<Cell, kOutcomes.size()>, kCountedPartners + 1> partners{};
        std::array<Cell, kDurationBounds.size() + 1> buckets{};
        Cell nanoseconds{0};

        void observe(Count duration) noexcept {
            std::size_t bucket = 0;  // nearly always one of the first
            while (bucket < kDurationBounds.size() && duration > kDurationBounds[bucket]) ++bucket;
            add(buckets[bucket]);
            add(nanoseconds, duration);
        }
    };
    template <class Enum>
    static constexpr std::size_t index(Enum value) {
        return static_cast<std::size_t>(value);
    }
    static void add(Cell& cell, Count n = 1) noexcept { cell.fetch_add(n, std::memory_order_relaxed); }
    Shard& shard() noexcept { return shards_[processor_number() % kShards]; }
    template <class Pick>
    Count sum(Pick pick) const noexcept;

    std::array<Shard, kShards> shards_{};
};

}  // namespace mtls
