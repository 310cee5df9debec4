// Counters and records that all processes of a server share: an anonymous mapping, made before the first fork and kept
// over graceful restarts. No decision depends on it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mtls_authz/ledger/decision_counters.hpp"
#include "mtls_authz/ledger/file_troubles.hpp"
#include "mtls_authz/ledger/hourly_counts.hpp"
#include "mtls_authz/ledger/incidents.hpp"
#include "mtls_authz/ledger/log_limiter.hpp"
#include "mtls_authz/ledger/refused_handshakes.hpp"
#include "mtls_authz/ledger/reported_causes.hpp"
#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls {

// One denial, for the status page.
struct Example {
    std::int64_t time = 0;  // seconds since the epoch
    Outcome outcome = Outcome::kDeny;
    FixedText<64> who;  // the partner, or the one that the certificate claims
    FixedText<160> subject;
    FixedText<16> method;
    FixedText<160> path;
    FixedText<64> client;
    FixedText<128> gate;
    FixedText<64> sha256;  // hex
    FixedText<160> detail = {};
    FixedText<128> directive = {};  // as in Account
};

// The newest denials of each reason.
class Examples {
public:
    void add(Reason reason, const Example& example) noexcept;
    std::vector<Example> newest(Reason reason) const;  // newest first

private:
    static constexpr std::size_t kKept = 3;
    struct Ring {
        std::atomic<std::uint32_t> next{0};
        std::array<SharedRecord<Example>, kKept> examples;
    };
    std::array<Ring, kReasonCount> rings_{};
};

// State of a child process.
struct ChildInfo {
    std::int32_t pid = 0;
    FixedText<16> generation;         // empty: no policy
    std::int64_t in_force_since = 0;  // seconds since the epoch
    std::int64_t looked = 0;          // time of this report
    std::uint64_t changes = 0;        // the KeeperBoard::changes that it has followed
};

class Children {
public:
    // Each child reports only itself: when it starts, after each change that it follows, in whichever thread, and each
    // second if it has a watcher thread.
    void report(const ChildInfo& info) noexcept;
    void remove(std::int32_t pid) noexcept;
    std::vector<ChildInfo> alive() const;

private:
    static constexpr std::size_t kSlots = 1024;  // children above this number are not shown
    struct Slot {
        std::atomic<std::int32_t> pid{0};
        SharedRecord<ChildInfo> info;
    };
    std::array<Slot, kSlots> slots_{};
};

struct Ledger {
    using Counter = std::atomic<std::uint64_t>;

    // Identifies the layout: after a graceful restart another version of the module may have made the memory.
    std::uint64_t layout = 0;
    std::int64_t since = 0;  // creation time, in seconds since the epoch: all counters start then
    DecisionCounters decisions;
    HourlyCounts hours;
    Sightings sightings;
    std::atomic<std::int64_t> watched_since{
        0};  // start of `sightings`: `since`, or the value in the file they were restored from
    std::atomic<bool> is_restored{false};  // the keeper has read the sighting file
    RefusedHandshakes refused_handshakes;
    std::array<Counter, kHandshakeRefusals.size()> handshakes_refused{};
    Counter reloads_ok{0};
    Counter reloads_failed{0};
    Counter audit_dropped{0};
    Counter purposes_waived{0};
    std::array<Counter, kCountedPartners + 1> purposes_waived_of{};  // by the partner's number in `sightings`
    std::atomic<std::int64_t> refused_since{0};  // start of the policy files' refusal; 0: they are in force
    SharedFileTroubles file_troubles;
    LogLimiter limiter;
    Examples examples;
    Children children;

    // Events: incidents, causes already reported, and results of MTLSEventCmd.
    Incidents incidents;
    ReportedCauses reported_causes;
    std::atomic<std::int32_t> event_runner{0};  // see EventProgram::run()
    Counter events_ok{0};
    Counter events_failed{0};

    // Null if the memory cannot be mapped. It is never unmapped.
    static Ledger* create();
    // Brings `hours` up to date; see HourlyCounts::note().
    void note_hours(std::int64_t now) noexcept { hours.note(decisions, sightings.taken(), now); }
    // Returns what create() made in `memory`; null if another version of this code made it.
    static Ledger* adopt(void* memory);
};

}  // namespace mtls
