// Decisions, counted over all processes and threads of a server. Lives in memory that they share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "mtls_authz/policy/outcome.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/system/this_thread.hpp"

namespace mtls {

constexpr std::size_t kCountedPartners = 1000;  // by name; all others together

// Upper bounds of the histogram of decision times, in nanoseconds, inclusive.
constexpr std::array<std::uint64_t, 12> kDurationBounds = {250,    500,    1'000,   2'500,   5'000,     10'000,
                                                           25'000, 50'000, 100'000, 250'000, 1'000'000, 10'000'000};

// Each processor counts in a shard of its own, so that no cache line is fought over; whoever asks adds them up.
class DecisionCounters {
public:
    using Count = std::uint64_t;

    // `partner`: a number below kCountedPartners, that for all others, or kNoPartner. `nanoseconds`: what the decision
    // took; negative where that was not measured.
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
        std::array<Count, kDurationBounds.size() + 1> buckets{};  // not cumulative; the last one is beyond all bounds
        Count nanoseconds = 0;                                    // in all
    };
    Durations durations() const noexcept;

private:
    using Cell = std::atomic<Count>;
    static constexpr std::size_t kShards = 64;  // processors beyond share
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
