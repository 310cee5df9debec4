#include "mtls_authz/tell/trouble.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/ledger/event.hpp"

namespace mtls {

const std::array<TroubleText, 11> kTroubles = {{
    {TroubleKind::kNoPolicy, "no-policy", true},
    {TroubleKind::kKeeperDown, "keeper-down", true},
    {TroubleKind::kPolicyRefused, "policy-refused", true},
    {TroubleKind::kRefusalSourceGone, "refusal-source-gone", true},
    {TroubleKind::kRefusalLineBad, "refusal-line-bad", true},
    {TroubleKind::kHandshakeRefused, "handshake-refused", true},
    {TroubleKind::kUnknownIssuer, "unknown-issuer", true},
    {TroubleKind::kCrlOverdue, "crl-overdue", true},
    {TroubleKind::kCertificateLate, "certificate-late", false},
    {TroubleKind::kPurposeEnds, "purpose-ends", false},
    {TroubleKind::kAnchorLate, "anchor-late", false},
}};

const TroubleText& text_of(TroubleKind kind) { return kTroubles[static_cast<std::size_t>(kind)]; }

std::size_t Troubles::total() const { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); }

namespace {

TroubleKind kind_of(EventKind kind) {
    switch (kind) {
        case EventKind::kPolicyRefused:
            return TroubleKind::kPolicyRefused;
        case EventKind::kRefusalSourceGone:
            return TroubleKind::kRefusalSourceGone;
        case EventKind::kUnknownIssuer:
            return TroubleKind::kUnknownIssuer;
        case EventKind::kCrlOverdue:
            return TroubleKind::kCrlOverdue;
        case EventKind::kCertificateLate:
            return TroubleKind::kCertificateLate;
        case EventKind::kPurposeWaived:
            return TroubleKind::kPurposeEnds;
        case EventKind::kAnchorLate:
            break;
    }
    return TroubleKind::kAnchorLate;
}

std::string detail_of(const Event& event, std::string_view key) {
    for (const auto& [name, value] : event.details) {
        if (name == key) return value;
    }
    return {};
}

// The FILE:LINE of "FILE:LINE: error: ...".
std::string place_in(const std::string& finding) { return finding.substr(0, finding.find(": ")); }

std::string what_of(const Event& event) {
    switch (event.kind) {
        case EventKind::kPolicyRefused:
            return event.findings.empty() ? "policy files" : place_in(event.findings.front());
        case EventKind::kRefusalSourceGone:
            return detail_of(event, "file");
        case EventKind::kCrlOverdue:
            return detail_of(event, "issuer");
        default:
            return event.partner == "*" ? "default anchors" : event.partner;
    }
}

// Splits the sentence of an event at its colon: the problem, and the advice.
Trouble trouble_of(const Event& event) {
    const std::size_t colon = event.message.find(": ");
    Trouble out{kind_of(event.kind), what_of(event), event.message.substr(0, colon),
                colon != std::string::npos ? event.message.substr(colon + 2) : ""};
    if (event.partner != "*") out.partner = event.partner;
    out.contact = event.contact;
    out.lines = event.findings;
    for (const std::string_view key : {"subject", "anchor", "file"}) {
        const std::string value = detail_of(event, key);
        if (!value.empty() && value != out.what) out.lines.push_back(std::string(key) + ": " + value);
    }
    return out;
}

class TroubleFinder {
public:
    TroubleFinder(const Ledger& ledger, const SnapshotReader& snapshot, const LateRule& late, std::int64_t now)
        : ledger_(ledger), policy_(snapshot ? snapshot->policy.get() : nullptr), now_(now) {
        if (!snapshot) {
            add({TroubleKind::kNoPolicy, "policy", "no policy is in force in this process",
                 "it refuses everything behind gates; the error log says why"});
        }
        find_events(snapshot, late);
        find_bad_lines();
        find_strangers();
    }

    void add(Trouble trouble) {
        ++out_.counts[static_cast<std::size_t>(trouble.kind)];
        out_.shown.push_back(std::move(trouble));
    }

    Troubles finish() && {
        std::stable_sort(out_.shown.begin(), out_.shown.end(),
                         [](const Trouble& a, const Trouble& b) { return a.kind < b.kind; });
        return std::move(out_);
    }

private:
    std::size_t& count(TroubleKind kind) { return out_.counts[static_cast<std::size_t>(kind)]; }

    // Counts all events, but builds the texts of those shown only.
    void find_events(const SnapshotReader& snapshot, const LateRule& late) {
        std::set<std::pair<EventKind, std::uint64_t>> seen, shown;
        const auto is_left_out = [&](const Event& event) {
            if (event.kind == EventKind::kUnknownIssuer) return true;  // handled by find_strangers()
            const std::pair key{event.kind, event.cause};
            const bool is_all = event.kind == EventKind::kPurposeWaived;  // not counted here: most need no action
            if (seen.insert(key).second && (is_all || ++count(kind_of(event.kind)) <= Troubles::kShown))
                shown.insert(key);
            return !shown.contains(key);
        };
        const FileTroubles files = ledger_.file_troubles.get();
        for (const Event& event : EventFinder(late).find(ledger_, snapshot, files, now_, is_left_out)) {
            const bool is_of_purpose = event.kind == EventKind::kPurposeWaived;
            if (is_of_purpose && detail_of(event, "until").empty()) continue;
            if (is_of_purpose && ++count(TroubleKind::kPurposeEnds) > Troubles::kShown) continue;
            Trouble trouble = trouble_of(event);
            if (event.kind == EventKind::kPolicyRefused) trouble.time = ledger_.refused_since;
            if (event.kind == EventKind::kRefusalSourceGone) trouble.time = files.gone.find(trouble.what)->second;
            out_.shown.push_back(std::move(trouble));
        }
        // file_troubles.get() has at most kShown texts; its gone() is the full count.
        std::size_t& gone = count(TroubleKind::kRefusalSourceGone);
        if (gone >= files.gone.size()) gone = std::max(gone, ledger_.file_troubles.gone());
        // The keeper has not written the findings yet.
        if (ledger_.refused_since != 0 && !files.policy) {
            add({TroubleKind::kPolicyRefused,
                 "policy files",
                 "the policy files are refused",
                 "what was in force stays so; the error log says which file and line",
                 {},
                 {},
                 ledger_.refused_since});
        }
    }

    void find_bad_lines() {
        for (const std::string& line : ledger_.file_troubles.get().bad_lines) {
            const std::string place = place_in(line);
            add({TroubleKind::kRefusalLineBad,
                 place,
                 "a revocation file has a line that does not count",
                 "the others do, and nothing is taken away until it is mended",
                 {},
                 {},
                 0,
                 {line.substr(std::min(line.size(), place.size() + 2))}});
        }
        std::size_t& bad = count(TroubleKind::kRefusalLineBad);
        bad = std::max(bad, ledger_.file_troubles.bad_lines());
    }

    // Certificates that claim a partner and were refused. Clients choose what they claim, so all are one trouble per
    // partner.
    void find_strangers() {
        note_seen();
        std::set<std::string> by_issuer;
        for (const UnknownIssuer& incident : newest_incidents()) {
            if (!is_open(incident.time, incident.sha256.str())) continue;
            by_issuer.insert(incident.sha256.str());
            Trouble trouble{
                TroubleKind::kUnknownIssuer, incident.claimed.str(),
                incident.reason.view() == "unknown-ca"
                    ? "a certificate with this partner's name comes from an issuer that is not known here"
                    : "a certificate with this partner's name comes from a CA that is none of the partner's",
                kUnknownIssuerAdvice};
            trouble.time = incident.time;
            trouble.lines = {"subject: " + incident.subject.str(), "issuer: " + incident.issuer.str()};
            add_claimed(std::move(trouble));
        }
        for (const RefusedHandshake& refused : ledger_.refused_handshakes.newest()) {
            const std::string sha256 = refused.sha256.str();
            const bool is_reported = refused.claimed.view().empty() || by_issuer.contains(sha256);
            if (is_reported || !is_open(refused.time, sha256)) continue;
            const HandshakeRefusalText& text = text_of(refused.reason);
            Trouble trouble{TroubleKind::kHandshakeRefused, refused.claimed.str(),
                            "its handshake is refused: " + std::string(text.word),
                            advice_for(refused.reason, refused.advice.view())};
            trouble.time = refused.time;
            if (!refused.detail.view().empty())
                trouble.lines = {"detail: " + refused.detail.str(), "at: " + refused.at.str()};
            trouble.lines.push_back("subject: " + refused.subject.str());
            trouble.lines.push_back("issuer: " + refused.issuer.str());
            if (!refused.client.view().empty()) trouble.lines.push_back("from: " + refused.client.str());
            add_claimed(std::move(trouble));
        }
    }

    std::vector<UnknownIssuer> newest_incidents() const {
        auto out = ledger_.incidents.all();
        std::stable_sort(out.begin(), out.end(),
                         [](const UnknownIssuer& a, const UnknownIssuer& b) { return a.time > b.time; });
        return out;
    }

    void note_seen() {
        for (const Sightings::Seen& seen : ledger_.sightings.all()) {
            for (const auto& certificate : seen.certificates) {
                auto& time = seen_[certificate.sighting.sha256.str()];
                time = std::max(time, certificate.sighting.seen);
            }
        }
    }

    bool is_open(std::int64_t time, const std::string& sha256) const {
        const auto seen = seen_.find(sha256);
        return time > now_ - kDay && (seen == seen_.end() || seen->second < time);
    }

    void add_claimed(Trouble trouble) {
        if (!claimed_.insert({trouble.kind, trouble.what}).second) return;
        const std::string first = trouble.what.substr(0, trouble.what.find(','));
        const Partner* const partner = policy_ != nullptr ? policy_->find(first) : nullptr;
        if (partner != nullptr) trouble.partner = first;
        if (partner != nullptr) trouble.contact = partner->contact;
        add(std::move(trouble));
    }

    const Ledger& ledger_;
    const Policy* const policy_;
    const std::int64_t now_;
    std::map<std::string, std::int64_t> seen_;  // time of the last sighting, by SHA-256
    std::set<std::pair<TroubleKind, std::string>> claimed_;
    Troubles out_;
};

}  // namespace

Troubles find_troubles(const Ledger& ledger, const SnapshotReader& snapshot, const LateRule& late, bool keeper_is_up,
                       std::int64_t now) {
    TroubleFinder finder(ledger, snapshot, late, now);
    if (!keeper_is_up) {
        finder.add({TroubleKind::kKeeperDown, "keeper",
                    "the process that looks at the files is down, hangs, or cannot hand out what it read",
                    "what is in force stays so, and no change of a file counts until it can; the error log says why"});
    }
    return std::move(finder).finish();
}

}  // namespace mtls
