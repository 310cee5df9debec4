#include "mtls_authz/ledger/decision_counters.hpp"

namespace mtls {

template <class Pick>
DecisionCounters::Count DecisionCounters::sum(Pick pick) const noexcept {
    Count total = 0;
    for (const Shard& s : shards_) total += pick(s).load(std::memory_order_relaxed);
    return total;
}

DecisionCounters::Count DecisionCounters::decisions(Outcome outcome, Reason reason) const noexcept {
    return sum([&](const Shard& s) -> const Cell& { return s.decisions[index(outcome)][index(reason)]; });
}

DecisionCounters::Count DecisionCounters::of_partner(std::size_t partner, Outcome outcome) const noexcept {
    return sum([&](const Shard& s) -> const Cell& { return s.partners[partner][index(outcome)]; });
}

DecisionCounters::Durations DecisionCounters::durations() const noexcept {
    Durations out;
    for (std::size_t i = 0; i < out.buckets.size(); ++i) {
        out.buckets[i] = sum([i](const Shard& s) -> const Cell& { return s.buckets[i]; });
    }
    out.nanoseconds = sum([](const Shard& s) -> const Cell& { return s.nanoseconds; });
    return out;
}

}  // namespace mtls
