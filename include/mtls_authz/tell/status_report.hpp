// How the module is doing: collected from the ledger and the policy in force, and shown three ways.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/policy/snapshot.hpp"
#include "mtls_authz/tell/trouble.hpp"

namespace mtls {

// All times: seconds since the epoch.
struct StatusReport {
    using Counts = std::array<std::uint64_t, kOutcomes.size()>;  // by Outcome

    std::string host;  // of the server that answers
    std::int64_t now = 0;
    std::int64_t since = 0;          // when counting began
    std::int64_t watched_since = 0;  // when it was begun to note who is seen
    Troubles troubles;
    HourlyCounts::Day day{};

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

    struct CertificateStatus {
        Sighting sighting;
        bool is_late = false;  // by MTLSWarn
        bool is_revoked = false;
    };
    // What a partner is filtered and sorted by, worst first.
    enum class State { kLate, kDenied, kRefused, kSuspended, kRevoked, kNever, kNone };
    static constexpr std::size_t kStates = 6;
    struct PartnerStatus {
        std::string name;
        bool in_policy = false;
        Counts counts{};
        std::optional<Sighting> last = {};
        std::vector<CertificateStatus> certificates = {};  // newest first
        bool is_late = false;                              // the last one
        bool is_suspended = false;
        std::int64_t refused = 0;  // its newest handshake that was refused, within a day; 0: none
        HourlyCounts::Day day{};
        std::string contact = {};
        // MTLSPurpose serverAuth.
        struct Waiver {
            std::optional<std::int64_t> until;
            bool ends_soon = false;  // or has ended
        };
        std::optional<Waiver> waiver = {};
        std::uint64_t purposes_waived = 0;  // requests

        bool is(State state) const;
        State worst() const;  // kNone: nothing is wrong
    };
    // Those that were seen, then those of the policy that were not, kReportedPartners at most. The first
    // kCountedPartners are in JSON and the metrics.
    static constexpr std::size_t kReportedPartners = 10'000;
    std::span<const PartnerStatus> counted_partners() const {
        return std::span(partners).first(std::min(partners.size(), kCountedPartners));
    }
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
    std::vector<RefusedHandshake> refused_handshakes;  // newest first
    DecisionCounters::Durations durations;
    std::uint64_t audit_dropped = 0;
    std::uint64_t purposes_waived = 0;
    std::uint64_t events_ok = 0;
    std::uint64_t events_failed = 0;
    std::vector<ChildInfo> children;
};

// As in `?filter=`.
constexpr std::array<std::string_view, StatusReport::kStates> kPartnerStates = {"late",      "denied",  "refused",
                                                                                "suspended", "revoked", "never"};

struct StatusSource {
    const Ledger& ledger;
    const SnapshotReader& snapshot;  // may see nothing
    LateRule late;
    std::int64_t in_force_since = 0;
    bool keeper_is_up = false;
    std::int64_t now = 0;
};
StatusReport collect_status(const StatusSource& source);

// Prometheus' text format, version 0.0.4.
std::string prometheus_text(const StatusReport& report);
// One JSON object.
std::string status_json(const StatusReport& report);

// Which partners a page shows.
struct PageQuery {
    std::optional<StatusReport::State> state;  // none: all
    std::string text;                          // part of a name, contact or certificate; ASCII case does not matter
    std::size_t from = 0;                      // how many of them are left out before
    bool names_format = false;                 // links have to say format=html
};
// A page for people. `kStatusStyle` goes with html_policy(), and it has a form.
std::string status_page(const StatusReport& report, const PageQuery& query);
extern const std::string_view kStatusStyle;

}  // namespace mtls
