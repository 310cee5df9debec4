// What the keeper hands to the other processes of a server, one keeper to the next, and the server before a restart to
// the one after it: memory without a name, made before they are forked. It is never given back.
#pragma once

#include <atomic>
#include <cstdint>

#include "mtls_authz/keeper/image_shelf.hpp"

namespace mtls {

struct KeeperBoard {
    std::uint64_t layout = 0;  // layout_id() of the code that made it
    ImageShelf shelf;          // to be copied

    // The serial number of what is on the shelf: rises after each change of the policy, the refusals or the CRLs.
    std::atomic<std::uint64_t> changes{0};
    std::atomic<std::uint64_t> last_serial{0};    // the last that was used, for anything
    std::atomic<std::int64_t> in_force_since{0};  // of the policy, in seconds since the epoch

    // Of the policy's database and of its rows that refuse: the highest revision in force. A lower one comes from a
    // replica that is behind, or from a backup.
    std::atomic<std::int64_t> revision{0}, refusing_revision{0};

    // Processes that begin count up `asked`, and serve once `answered` is as much: the keeper is there, and what they
    // found here is in force.
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::int32_t> keeper{0};                     // its process id; 0: there is none
    std::atomic<std::int64_t> signs_of_life[kWatched] = {};  // of its threads, as monotonic_seconds()

    // Null where the memory or the sockets cannot be had.
    static KeeperBoard* create();
    // Returns what create() made in `memory`; null if another version of this code made it.
    static KeeperBoard* adopt(void* memory);

    // The longest time since one of the keeper's threads has given a sign of life, in seconds, and how long that may
    // be.
    std::int64_t silence() const;
    static constexpr std::int64_t kLongestSilence = 30;
    bool is_kept() const { return keeper != 0 && silence() < kLongestSilence; }
};

// Seconds of CLOCK_MONOTONIC, which is the same in all processes.
std::int64_t monotonic_seconds();

}  // namespace mtls
