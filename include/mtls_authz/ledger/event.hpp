// Finds the conditions that need an administrator, for the log and for MTLSEventCmd.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/ledger/file_troubles.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// In the order in which they are reported.
enum class EventKind {
    kPolicyRefused,
    kRefusalSourceGone,
    kUnknownIssuer,
    kCrlOverdue,
    kCertificateLate,
    kPurposeWaived,
    kAnchorLate
};
std::string_view word_of(EventKind kind);

struct Event {
    EventKind kind = EventKind::kPolicyRefused;
    std::uint64_t cause = 0;  // identifies the event, also after a restart
    std::string partner = {};
    std::string contact = {};  // the partner's MTLSContact
    std::string message = {};  // one sentence; texts from certificates are escaped
    // More keys of its JSON. Texts from certificates and files are not escaped.
    std::vector<std::pair<std::string_view, std::string>> details = {};
    std::vector<std::string> findings = {};  // for refused policy files
};

// One JSON object (RFC 8259) in ASCII, and a newline. `host`: the server's name; `now`: seconds since the epoch.
std::string event_json(const Event& event, std::string_view host, std::int64_t now);
// Line for the log: "certificate-late: partner=globex contact="...": a sentence".
std::string event_line(const Event& event);

class EventFinder {
public:
    explicit EventFinder(const LateRule& rule) : rule_(rule) {}

    // Returns the current events, without those that `is_reported` reports as already sent (by kind and cause).
    // `snapshot` may be empty.
    using IsReported = std::function<bool(const Event&)>;
    std::vector<Event> find(const Ledger& ledger, const SnapshotReader& snapshot, const FileTroubles& files,
                            std::int64_t now, const IsReported& is_reported);

    // Returns the causes of file troubles that have ended, so that they are reported again if they recur.
    std::vector<std::uint64_t> take_ended(const FileTroubles& files);

private:
    void find_troubles(const FileTroubles& files, std::int64_t now);
    void find_unknown_issuers(const Ledger& ledger, const Policy& policy);
    void find_overdue(const Snapshot& snapshot);
    void find_late(const Ledger& ledger, const Policy& policy);
    void find_late_anchors(const Policy& policy);
    void add(Event event);

    const LateRule rule_;
    std::map<std::string, std::uint64_t> troubles_;  // open file troubles and their causes

    // State of one find().
    std::int64_t now_ = 0;
    const IsReported* is_reported_ = nullptr;
    std::vector<Event> found_;

    // Cached: anchors are many, and change only with the policy.
    std::uint64_t anchors_of_ = 0;  // serial of the snapshot that late_anchors_ was computed from
    std::int64_t anchors_at_ = 0;
    std::vector<Event> late_anchors_;
};

}  // namespace mtls
