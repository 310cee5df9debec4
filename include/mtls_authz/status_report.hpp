// How the module is doing: collected from the ledger and the policy in force, and shown three ways.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/lateness.hpp"
#include "mtls_authz/ledger.hpp"
#include "mtls_authz/snapshot.hpp"

namespace mtls {

// All times: seconds since the epoch.
struct StatusReport {
    using Counts = std::array<std::uint64_t, kOutcomes.size()>;  // by Outcome

    std::string host;  // of the server that answers
    std::int64_t now = 0;

    std::string generation;  // empty: no policy in force
    std::int64_t in_force_since = 0;
    std::size_t partners_in_policy = 0;
    std::size_t identities = 0;
    std::uint64_t reloads_ok = 0;
    std::uint64_t reloads_failed = 0;
    std::int64_t refused_since = 0;  // the policy files as they are now; 0: they are not
    bool keeper_is_up = false;

    struct ReasonStatus {
        Reason reason;
        Counts counts;
        std::vector<Example> examples;  // newest first
    };
    std::vector<ReasonStatus> reasons;  // all of them

    // The first kCountedPartners that were seen, then those of the policy that were not.
    struct PartnerStatus {
        std::string name;
        bool in_policy = false;
        Counts counts{};
        std::optional<Sighting> last;
        bool is_late = false;  // its certificate, by MTLSWarn
        std::string contact = {};
        // MTLSPurpose serverAuth.
        struct Waiver {
            std::optional<std::int64_t> until;
            bool ends_soon = false;  // or has ended
        };
        std::optional<Waiver> waiver = {};
        std::uint64_t purposes_waived = 0;  // requests
    };
    std::vector<PartnerStatus> partners;
    Counts other_partners{};

    struct Expiry {
        std::string partner;    // "*": of the default anchors
        std::string name;       // "CN=Acme CA (acme.pem)"; of a CRL the issuer
        std::int64_t at = 0;    // notAfter; nextUpdate, or 0 where a CRL has none
        std::int64_t from = 0;  // notBefore
        bool is_late = false;   // by MTLSWarn; of a CRL: overdue
        std::string contact = {};
    };
    std::vector<Expiry> anchors;  // at most kCountedPartners
    std::vector<Expiry> crls;

    std::array<std::uint64_t, kHandshakeRefusals.size()> handshakes_refused{};
    DecisionCounters::Durations durations;
    std::uint64_t audit_dropped = 0;
    std::uint64_t purposes_waived = 0;
    std::uint64_t events_ok = 0;
    std::uint64_t events_failed = 0;
    std::vector<ChildInfo> children;
};

// `snapshot` may see nothing.
StatusReport collect_status(const Ledger& ledger, const SnapshotReader& snapshot, std::int64_t in_force_since,
                            const LateRule& late, std::int64_t now);

// Prometheus' text format, version 0.0.4.
std::string prometheus_text(const StatusReport& report);
// One JSON object.
std::string status_json(const StatusReport& report);
// A page for people. `kStatusStyle` goes with html_policy().
std::string status_page(const StatusReport& report);
extern const std::string_view kStatusStyle;

}  // namespace mtls
