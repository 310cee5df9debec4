// What was told already, so that it is told once: in memory that all processes share and a graceful restart keeps.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <unordered_set>

namespace mtls {

// The newest causes, as numbers that tell them apart; 0: none.
struct ToldCauses {
    static constexpr std::size_t kKept = 8192;
    std::atomic<std::uint64_t> written{0};
    std::array<std::atomic<std::uint64_t>, kKept> causes{};
};

// The same in the one process that tells, and asks often. Not thread-safe.
class CauseMemory {
public:
    // Goes on from what is there. `shared` has to outlive this.
    explicit CauseMemory(ToldCauses& shared);

    bool has(std::uint64_t cause) const { return known_.contains(cause); }
    // Where too many are known, the oldest is forgotten.
    void add(std::uint64_t cause);
    // What has ended, and may begin anew.
    void forget(std::uint64_t cause);

private:
    ToldCauses& shared_;
    std::unordered_set<std::uint64_t> known_;
};

}  // namespace mtls
