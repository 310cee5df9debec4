#include "mtls_authz/ledger/event.hpp"

#include <algorithm>
#include <set>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/json_writer.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::size_t kMostShown = 200;

std::string shown(std::string_view text) { return escape_for_log(text, kMostShown); }

// "ends on 2026-12-05T12:00:00Z, in 8 days"
std::string end_text(std::int64_t end, std::int64_t now) {
    return (end < now ? "has ended on " : "ends on ") + format_time(end) + ", " + distance_text(now, end);
}

// The partner that has the CRL's issuer as trust anchor, if exactly one has.
const Partner* only_partner_under(const Policy& policy, std::string_view issuer_text) {
    const Partner* out = nullptr;
    for (const Partner& partner : policy.partners()) {
        if (!partner.has_own_anchors) continue;
        for (const Anchor& anchor : partner.anchors->anchors) {
            const bool is_its = std::any_of(anchor.certificates.begin(), anchor.certificates.end(),
                                            [&](const AnchorCertificate& c) { return c.subject_text == issuer_text; });
            if (!is_its || out == &partner) continue;
            if (out != nullptr) return nullptr;
            out = &partner;
        }
    }
    return out;
}

void name_partner(const Partner* partner, Event& event) {
    if (partner == nullptr) return;
    event.partner = partner->name;
    event.contact = partner->contact;
}

}  // namespace

std::string_view word_of(EventKind kind) {
    static constexpr std::string_view kWords[] = {"policy-refused", "refusal-source-gone", "unknown-issuer",
                                                  "crl-overdue",    "certificate-late",    "purpose-waived",
                                                  "anchor-late"};
    return kWords[static_cast<std::size_t>(kind)];
}

std::string event_json(const Event& event, std::string_view host, std::int64_t now) {
    JsonWriter json;
    json.begin_object().member("event", word_of(event.kind)).member("time", format_time(now)).member("host", host);
    if (!event.partner.empty()) json.member("partner", event.partner);
    if (!event.contact.empty()) json.member("contact", event.contact);
    json.member("message", event.message);
    for (const auto& [key, value] : event.details) json.member(key, value);
    if (!event.findings.empty()) json.array("findings", event.findings);
    json.end_object();
    return std::move(json).text() + "\n";
}

std::string event_line(const Event& event) {
    std::string out = std::string(word_of(event.kind)) + ":";
    if (!event.partner.empty()) out += " partner=" + shown(event.partner);
    if (!event.contact.empty()) out += " contact=\"" + shown(event.contact) + "\"";
    for (const auto& [key, value] : event.details) out += " " + std::string(key) + "=\"" + shown(value) + "\"";
    return out + ": " + event.message;
}

void EventFinder::add(Event event) {
    if (!(*is_reported_)(event)) found_.push_back(std::move(event));
}

std::vector<Event> EventFinder::find(const Ledger& ledger, const SnapshotReader& snapshot, const FileTroubles& files,
                                     std::int64_t now, const IsReported& is_reported) {
    now_ = now;
    is_reported_ = &is_reported;
    found_.clear();
    find_troubles(files, now);
    if (snapshot) {
        const Policy& policy = *snapshot->policy;
        find_unknown_issuers(ledger, policy);
        find_overdue(*snapshot);
        find_late(ledger, policy);
        constexpr std::int64_t kMinute = 60;
        if (snapshot->serial != anchors_of_ || now < anchors_at_ || now - anchors_at_ >= kMinute) {
            find_late_anchors(policy);
            anchors_of_ = snapshot->serial;
            anchors_at_ = now;
        }
        for (const Event& event : late_anchors_) add(event);
    }
    std::stable_sort(found_.begin(), found_.end(), [](const Event& a, const Event& b) { return a.kind < b.kind; });
    return std::move(found_);
}

void EventFinder::find_troubles(const FileTroubles& files, std::int64_t now) {
    if (files.policy) {
        Event event{EventKind::kPolicyRefused, cause_of({"policy-refused", files.policy->content})};
        event.message = "the policy files are refused: " + files.policy->consequence;
        event.findings = files.policy->findings;
        troubles_.insert_or_assign("policy " + files.policy->content, event.cause);
        add(std::move(event));
    }
    for (const auto& [source, since] : files.gone) {
        // A file that is rewritten in two steps is gone for a moment. The clock may have been set back since.
        constexpr std::int64_t kMoment = 2;
        if (now >= since && now - since < kMoment) continue;
        Event event{EventKind::kRefusalSourceGone, cause_of({"refusal-source-gone", source})};
        event.message =
            "a source of refusals is gone, empty or unreadable: what it said stays in force until it is back (a "
            "revocation file with a comment in it), or the server is stopped and started";
        event.details = {{"file", source}};
        troubles_.insert_or_assign("gone " + source, event.cause);
        add(std::move(event));
    }
}

std::vector<std::uint64_t> EventFinder::take_ended(const FileTroubles& files) {
    std::vector<std::uint64_t> out;
    std::erase_if(troubles_, [&](const auto& trouble) {
        const auto& [what, cause] = trouble;
        const bool goes_on = (files.policy && what == "policy " + files.policy->content) ||
                             (what.starts_with("gone ") && files.gone.contains(what.substr(5)));
        if (!goes_on) out.push_back(cause);
        return !goes_on;
    });
    return out;
}

void EventFinder::find_unknown_issuers(const Ledger& ledger, const Policy& policy) {
    std::set<std::uint64_t> here;  // one certificate may fill many records
    for (const UnknownIssuer& incident : ledger.incidents.all()) {
        if (!here.insert(incident.cause).second) continue;
        Event event{EventKind::kUnknownIssuer, incident.cause};
        const std::string claimed = incident.claimed.str();
        event.partner = claimed;
        if (const Partner* const claimed_partner = policy.find(claimed.substr(0, claimed.find(','))))
            event.contact = claimed_partner->contact;
        event.message = std::string("a certificate names this partner, and its issuer is none of the partner's: ") +
                        kUnknownIssuerAdvice;
        event.details = {{"reason", incident.reason.str()},
                         {"subject", incident.subject.str()},
                         {"issuer", incident.issuer.str()},
                         {"sha256", incident.sha256.str()},
                         {"seen", format_time(incident.time)}};
        add(std::move(event));
    }
}

void EventFinder::find_overdue(const Snapshot& snapshot) {
    for (const auto& [issuer, next_update] : snapshot.crls->next_updates()) {
        if (next_update && *next_update >= now_) continue;
        const std::string due = next_update ? format_time(*next_update) : "";
        Event event{EventKind::kCrlOverdue, cause_of({"crl-overdue", issuer, due})};
        if ((*is_reported_)(event)) continue;
        name_partner(only_partner_under(*snapshot.policy, issuer), event);
        event.message = next_update ? "the next CRL of this issuer was due " + distance_text(now_, *next_update) +
                                          ": fetch it into MTLSCRLFile; MTLSCRLStale says what is refused meanwhile"
                                    : "the CRL of this issuer does not say when the next one is due, so it counts as "
                                      "stale: fetch another one into MTLSCRLFile";
        event.details = {{"issuer", issuer}};
        if (next_update) event.details.emplace_back("next_update", due);
        add(std::move(event));
    }
}

void EventFinder::find_late(const Ledger& ledger, const Policy& policy) {
    for (const Sightings::Seen& seen : ledger.sightings.all()) {
        const Partner* const partner = seen.last ? policy.find(seen.name) : nullptr;
        if (partner == nullptr) continue;
        const Sighting& last = *seen.last;
        const std::string sha256 = last.sha256.str();
        const auto add_event = [&](EventKind kind, std::string_view until, const std::string& message) {
            Event event{kind, cause_of({word_of(kind), seen.name, sha256, until})};
            if ((*is_reported_)(event)) return;
            name_partner(partner, event);
            event.message = message;
            event.details = {{"subject", last.subject.str()},
                             {"serial", last.serial.str()},
                             {"sha256", sha256},
                             {"not_before", format_time(last.not_before)},
                             {"not_after", format_time(last.not_after)},
                             {"last_seen", format_time(last.seen)}};
            if (!until.empty()) event.details.emplace_back("until", until);
            add(std::move(event));
        };
        if (rule_.is_late(last.not_before, last.not_after, now_)) {
            add_event(EventKind::kCertificateLate, "",
                      "the certificate by which the partner was last identified " + end_text(last.not_after, now_) +
                          ": tell the partner to renew it");
        }
        if (!last.is_purpose_waived || !partner->server_purpose) continue;
        const auto& until = partner->server_purpose->until;
        const std::string what =
            "MTLSPurpose serverAuth lets in a certificate of this partner that was made for servers "
            "alone";
        const bool ends_soon = until && rule_.is_late(*until, now_);
        if (ends_soon) {
            add_event(EventKind::kPurposeWaived, format_time(*until),
                      what + ", and " + end_text(*until, now_) + ": by then the partner needs another certificate");
        } else {
            add_event(EventKind::kPurposeWaived, "",
                      what + (until ? ", until " + format_time(*until) : ", without an end"));
        }
    }
}

void EventFinder::find_late_anchors(const Policy& policy) {
    late_anchors_.clear();
    std::set<const AnchorSet*> seen;
    for (const Partner& partner : policy.partners()) {
        if (!seen.insert(partner.anchors).second) continue;
        for (const Anchor& anchor : partner.anchors->anchors) {
            if (anchor.window.until && *anchor.window.until < now_) continue;
            for (const AnchorCertificate& c : anchor.certificates) {
                if (!rule_.is_late(c.not_before, c.not_after, now_)) continue;
                if (late_anchors_.size() >= kCountedPartners) return;
                const std::string_view whose = partner.has_own_anchors ? partner.name.view() : "*";
                Event event{EventKind::kAnchorLate, cause_of({"anchor-late", whose, c.sha256})};
                event.partner = whose;
                if (partner.has_own_anchors) event.contact = partner.contact;
                event.message = "a trust anchor " + end_text(c.not_after, now_) +
                                ": ask for the next one, and add it beside this one with MTLSTrustAnchor";
                event.details = {{"anchor", std::string(c.subject_text)},
                                 {"file", std::string(anchor.file)},
                                 {"sha256", hex(bytes_of(c.sha256))},
                                 {"not_before", format_time(c.not_before)},
                                 {"not_after", format_time(c.not_after)}};
                late_anchors_.push_back(std::move(event));
            }
        }
    }
}

}  // namespace mtls
