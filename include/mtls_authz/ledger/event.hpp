// What needs a person, found in what the server knows: for the log, and for MTLSEventCmd.
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

// In the order in which they are told.
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
    std::uint64_t cause = 0;  // what makes it one, over restarts
    std::string partner = {};
    std::string contact = {};  // the partner's MTLSContact
    std::string message = {};  // one sentence; texts of certificates in it are escaped
    // More keys of its JSON. Texts of certificates and files, as they are.
    std::vector<std::pair<std::string_view, std::string>> details = {};
    std::vector<std::string> findings = {};  // of refused files
};

// One JSON object (RFC 8259) in ASCII, and a newline. `host`: of the server; `now`: seconds since the epoch.
std::string event_json(const Event& event, std::string_view host, std::int64_t now);
// For the log: "certificate-late: partner=globex contact="...": a sentence".
std::string event_line(const Event& event);

class EventFinder {
public:
    explicit EventFinder(const LateRule& rule) : rule_(rule) {}

    // What there is now. `is_told`: whether one was told already, by its kind and cause; such ones are left out.
    // `snapshot`: may see nothing.
    using IsTold = std::function<bool(const Event&)>;
    std::vector<Event> find(const Ledger& ledger, const SnapshotReader& snapshot, const FileTroubles& files,
                            std::int64_t now, const IsTold& is_told);

    // Of troubles with files: what is over may begin anew. Each was told before.
    std::vector<std::uint64_t> take_ended(const FileTroubles& files);

private:
    void find_troubles(const FileTroubles& files, std::int64_t now);
    void find_unknown_issuers(const Ledger& ledger, const Policy& policy);
    void find_overdue(const Snapshot& snapshot);
    void find_late(const Ledger& ledger, const Policy& policy);
    void find_late_anchors(const Policy& policy);
    void add(Event event);

    const LateRule rule_;
    std::map<std::string, std::uint64_t> troubles_;  // of files, by what they are, with their causes

    // Of one look.
    std::int64_t now_ = 0;
    const IsTold* is_told_ = nullptr;
    std::vector<Event> found_;

    // Anchors are many, and change with the policy alone.
    std::uint64_t anchors_of_ = 0;  // the serial of the snapshot that they were looked at in
    std::int64_t anchors_at_ = 0;
    std::vector<Event> late_anchors_;
};

}  // namespace mtls
