// Causes of events that were reported, so that each is reported once. In memory that all processes share and a graceful
// restart keeps.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <unordered_set>

namespace mtls {

// The newest causes, as hashes from cause_of(); 0: free.
struct ReportedCauses {
    static constexpr std::size_t kKept = 8192;
    std::atomic<std::uint64_t> written{0};
    std::array<std::atomic<std::uint64_t>, kKept> causes{};
};

// A private index of them in the one process that reports events. Not thread-safe.
class CauseIndex {
public:
    // Loads the causes in `shared`, which must outlive this object.
    explicit CauseIndex(ReportedCauses& shared);

    bool has(std::uint64_t cause) const { return index_.contains(cause); }
    // Evicts the oldest cause if kKept are stored.
    void add(std::uint64_t cause);
    // Removes the cause of an ended event, so that it is reported again if it recurs.
    void forget(std::uint64_t cause);

private:
    ReportedCauses& shared_;
    std::unordered_set<std::uint64_t> index_;
};

}  // namespace mtls
