// The module's status: collected from the ledger and the current policy, and shown as HTML, JSON and metrics.
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

// Times are in seconds since the epoch.
struct StatusReport {
    using Counts = std::array<std::uint64_t, kOutcomes.size()>;  // by Outcome

    std::string host;  // name of the server that answers
    std::int64_t now = 0;
    std::int64_t since = 0;          // when counting began
    std::int64_t watched_since = 0;  // start of the records of seen partners
    Troubles troubles;
    HourlyCounts::Day day{};

    std::string generation;  // empty: no policy in force
    std::int64_t in_force_since = 0;
    std::size_t partners_in_policy = 0;
    std::size_t identities = 0;
    std::uint64_t reloads_ok = 0;
    std::uint64_t reloads_failed = 0;
    std::int64_t refused_since = 0;  // when the current policy files were first refused; 0: they are in force
    bool keeper_is_up = false;

    struct ReasonStatus {
        Reason reason;
        Counts counts;
        std::vector<Example> examples;  // newest first
    };
    std::vector<ReasonStatus> reasons;  // every reason

    struct CertificateStatus {
        Sighting sighting;
        bool is_late = false;                 // by MTLSWarn
        std::optional<bool> is_revoked = {};  // nullopt: not known
    };
    // Filters of the partner list, worst first; partners are sorted by them.
    enum class State { kLate, kDenied, kRefused, kSuspended, kRevoked, kNever, kNone };
    static constexpr std::size_t kStates = 6;
    struct PartnerStatus {
        std::string name;
        bool in_policy = false;
        Counts counts{};
        std::optional<Sighting> last = {};
        std::vector<CertificateStatus> certificates = {};  // newest first
        bool is_late = false;                              // for the last certificate seen
        bool is_suspended = false;
        std::int64_t refused = 0;  // time of its newest refused handshake within a day; 0: none
        HourlyCounts::Day day{};
        std::string contact = {};
        // For MTLSPurpose serverAuth.
        struct Waiver {
            std::optional<std::int64_t> until;
            bool ends_soon = false;  // or it has ended
        };
        std::optional<Waiver> waiver = {};
        std::uint64_t purposes_waived = 0;  // number of requests

        bool is(State state) const;
        State worst() const;  // kNone: no trouble
    };
    // Seen partners, then unseen ones of the policy, at most kReportedPartners. JSON and metrics have the first
    // kCountedPartners.
    static constexpr std::size_t kReportedPartners = 10'000;
    std::span<const PartnerStatus> counted_partners() const {
        return std::span(partners).first(std::min(partners.size(), kCountedPartners));
    }
    std::vector<PartnerStatus> partners;
    Counts other_partners{};

    struct Expiry {
        std::string partner;    // "*" for the default anchors
        std::string name;       // "CN=Acme CA (acme.pem)"; for a CRL its issuer
        std::int64_t at = 0;    // notAfter; for a CRL nextUpdate, or 0 if it has none
        std::int64_t from = 0;  // notBefore
        bool is_late = false;   // by MTLSWarn; for a CRL: overdue
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

// Values of `?filter=`.
constexpr std::array<std::string_view, StatusReport::kStates> kPartnerStates = {"late",      "denied",  "refused",
                                                                                "suspended", "revoked", "never"};

struct StatusSource {
    const Ledger& ledger;
    const SnapshotReader& snapshot;  // may be empty
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

// Which partners the page shows.
struct PageQuery {
    std::optional<StatusReport::State> state;  // nullopt: all
    std::string text;                          // part of a name, contact or certificate text; ASCII case is ignored
    std::size_t from = 0;                      // number of partners to skip
    bool names_format = false;                 // links need format=html
};
// The HTML page. It has a form; `kStatusStyle` is for html_policy().
std::string status_page(const StatusReport& report, const PageQuery& query);
extern const std::string_view kStatusStyle;

}  // namespace mtls
