// State that the keeper shares with the other processes, with the next keeper and with the server after a restart: an
// anonymous shared mapping, made before these processes are forked and never unmapped.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "mtls_authz/keeper/image_shelf.hpp"

namespace mtls {

struct KeeperBoard {
    std::uint64_t layout = 0;  // layout_id() of the code that made it
    ImageShelf shelf;          // each process uses a copy

    // Numbers of the processes that publish: the parent takes the next one at each start, and another one for each
    // keeper. A keeper with a lower number than `newest_publisher` was stopped while the server was restarted, and
    // ends. What a process with a lower number than `least_publisher` has put on the shelf does not count: one with
    // that number has published, or tried to at a restart.
    std::atomic<std::uint64_t> newest_publisher{0}, least_publisher{0};

    // Serial number of the images on the shelf: rises after each change of the policy, the refusals or the CRLs.
    std::atomic<std::uint64_t> changes{0};
    std::atomic<std::uint64_t> last_serial{0};    // the highest serial number in use, of any kind
    std::atomic<std::int64_t> in_force_since{0};  // of the policy, in seconds since the epoch

    // The highest revision in force of the policy's database: of all rows but revocations, and of revocations. A lower
    // one comes from a replica that is behind, or from a backup.
    std::atomic<std::int64_t> revision{0}, revocation_revision{0};

    std::atomic<std::int64_t> fetcher{-1};  // the user ID of MTLSFetchUser; -1: never found one

    // A new process increments `asked` and serves once `answered` has reached its value: then the keeper is alive, and
    // the images on the shelf are current.
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::int32_t> keeper{0};                  // its process id; 0: no keeper runs
    std::atomic<std::int64_t> heartbeats[kWatched] = {};  // heartbeat of each thread, as monotonic_seconds()
    std::atomic<std::int64_t> busy_at{0};                 // when it last was seen to use processor time, likewise
    std::atomic<bool> is_unpublished{false};              // the shelf does not take what the keeper has in force

    // What the shelf has for the next keeper; nothing if it does not count.
    std::optional<ShelfContents> kept() const;
    // From here on, only what the process with this number and later ones publish counts.
    void raise_least_publisher(std::uint64_t publisher);

    // Null if the memory or the sockets cannot be allocated.
    static KeeperBoard* create();
    // Returns what create() made in `memory`; null if another version of this code made it.
    static KeeperBoard* adopt(void* memory);

    // Seconds since the oldest heartbeat of the keeper's threads, and the limits after which the keeper counts as hung.
    // The second one is for a keeper that uses processor time: a thread that reads or builds for long sends no
    // heartbeat.
    std::int64_t silence() const;
    static constexpr std::int64_t kLongestSilence = 30, kLongestBusySilence = 600;
    bool is_kept() const;
    // Whether a change of a file reaches the children.
    bool is_up() const { return is_kept() && !is_unpublished; }
};

}  // namespace mtls
