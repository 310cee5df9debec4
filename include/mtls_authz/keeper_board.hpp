// What the keeper hands to the other processes of a server, one keeper to the next, and the server before a restart to
// the one after it: memory without a name, made before they are forked. It is never given back.
#pragma once

#include <atomic>
#include <cstdint>

#include "mtls_authz/policy_memory.hpp"
#include "mtls_authz/shared_text.hpp"

namespace mtls {

// What the keeper looks at, each by a thread of its own: a file system that hangs holds up none of the others.
enum class Watched { kRefusals, kCrls, kPolicy };
constexpr std::size_t kWatched = 3;

struct KeeperBoard {
    std::uint64_t build = 0;  // build_id() of the code that made it

    // None is null. Written by the keeper; by the server's parent before there is one.
    SharedText* refusals = nullptr;  // the lines in force, as RevocationFiles::write_lines()
    SharedText* crls = nullptr;      // the lists in force, as CrlFiles::write()
    PolicyMemory::Place policies;    // changed by the parent alone, before it forks

    // Incremented after each change of the policy, the refusals or the CRLs in force.
    std::atomic<std::uint64_t> changes{0};
    std::atomic<std::int64_t> in_force_since{0};  // of the policy, in seconds since the epoch

    // Processes that begin count up `asked`, and serve once `answered` is as much: the keeper is there, and what they
    // found here is in force.
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::int32_t> keeper{0};                     // its process id; 0: there is none
    std::atomic<std::int64_t> signs_of_life[kWatched] = {};  // of its threads, as monotonic_seconds()

    // Null where the memory cannot be had. Where the system gives less address space than usual, there is room for
    // less.
    static KeeperBoard* create();
    // Returns what create() made in `memory`; null if another build of this code made it, whose layout may differ.
    static KeeperBoard* adopt(void* memory);

    // The longest time since one of the keeper's threads has given a sign of life, in seconds, and how long that may
    // be.
    std::int64_t silence() const;
    static constexpr std::int64_t kLongestSilence = 30;
    bool is_kept() const { return keeper != 0 && silence() < kLongestSilence; }
};

// Seconds of CLOCK_MONOTONIC, which is the same in all processes.
std::int64_t monotonic_seconds();

// Tells this build of the code from any other, as the linker does (the note GNU build-id); 0 where it does not.
std::uint64_t build_id();

}  // namespace mtls
