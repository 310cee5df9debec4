// What all processes of a server count and remember together: memory without a name, made before the first of them is
// forked, and kept over graceful restarts. Nothing in it decides about a request.
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
#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/ledger/told_causes.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls {

// A denial, for people who want to see one.
struct Example {
    std::int64_t time = 0;  // seconds since the epoch
    Outcome outcome = Outcome::kDeny;
    FixedText<64> who;  // the partner, or whom the certificate claims to be
    FixedText<160> subject;
    FixedText<16> method;
    FixedText<160> path;
    FixedText<64> client;
    FixedText<128> gate;
    FixedText<64> sha256;  // hex
};

// The newest of each reason.
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

// What a child process has in force.
struct ChildInfo {
    std::int32_t pid = 0;
    FixedText<16> generation;         // empty: none
    std::int64_t in_force_since = 0;  // seconds since the epoch
    std::int64_t looked = 0;          // when it last said this
    std::uint64_t changes = 0;        // KeeperBoard::changes that it has seen
};

class Children {
public:
    // From each child's one thread that looks at files.
    void tell(const ChildInfo& info) noexcept;
    void leave(std::int32_t pid) noexcept;
    std::vector<ChildInfo> alive() const;

private:
    static constexpr std::size_t kPlaces = 1024;  // children beyond are not shown
    struct Place {
        std::atomic<std::int32_t> pid{0};
        SharedRecord<ChildInfo> info;
    };
    std::array<Place, kPlaces> places_{};
};

struct Ledger {
    using Counter = std::atomic<std::uint64_t>;

    // What tells this layout from that of another version of the module, which a graceful restart may have loaded.
    std::uint64_t layout = 0;
    std::int64_t since = 0;  // when it was made, in seconds since the epoch: all counters began then
    DecisionCounters decisions;
    HourlyCounts hours;
    Sightings sightings;
    std::atomic<std::int64_t> watched_since{
        0};                                // for `sightings`: `since`, or that of the file they were restored from
    std::atomic<bool> is_restored{false};  // the keeper has asked that file
    RefusedHandshakes refused_handshakes;
    std::array<Counter, kHandshakeRefusals.size()> handshakes_refused{};
    Counter reloads_ok{0};
    Counter reloads_failed{0};
    Counter audit_dropped{0};
    Counter purposes_waived{0};
    std::array<Counter, kCountedPartners + 1> purposes_waived_of{};  // by the number of the partner in `sightings`
    std::atomic<std::int64_t> refused_since{0};  // the policy files as they are now; 0: they are not
    SharedFileTroubles file_troubles;
    LogLimiter limiter;
    Examples examples;
    Children children;

    // What people are told of, and whether MTLSEventCmd could tell them.
    Incidents incidents;
    ToldCauses told;
    std::atomic<std::int32_t> event_runner{0};  // as EventProgram::run() has it
    Counter events_ok{0};
    Counter events_failed{0};

    // Null where the memory cannot be had. It is never given back.
    static Ledger* create();
    // Brings `hours` up to date.
    void note_hours(std::int64_t now) noexcept { hours.note(decisions, sightings.taken(), now); }
    // What create() made, or null where that was another version.
    static Ledger* adopt(void* memory);
};

}  // namespace mtls
