#include "mtls_authz/tell/status_report.hpp"

#include <map>
#include <set>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

StatusReport::Counts counts_of(const Ledger& ledger, std::size_t partner) {
    StatusReport::Counts out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = ledger.decisions.of_partner(partner, static_cast<Outcome>(i));
    }
    return out;
}

// Adds the policy's settings for this partner, and their current effect.
void add_policy(const Partner& partner, const StatusSource& from, StatusReport::PartnerStatus& status) {
    status.in_policy = true;
    status.contact = partner.contact;
    status.is_suspended = partner.suspended || from.snapshot->refusals->suspends(partner.name) != nullptr;
    const auto& last = status.last;
    status.is_late = last && from.late.is_late(last->not_before, last->not_after, from.now);
    if (!partner.server_purpose) return;
    const auto& until = partner.server_purpose->until;
    status.waiver = {until, until && from.late.is_late(*until, from.now)};
}

StatusReport::PartnerStatus status_of(const Sightings::Seen& seen, const StatusSource& from) {
    StatusReport::PartnerStatus out;
    out.name = seen.name;
    out.counts = counts_of(from.ledger, seen.number);
    out.last = seen.last;
    for (const auto& [sighting, is_revoked] : seen.certificates) {
        const bool is_late = from.late.is_late(sighting.not_before, sighting.not_after, from.now);
        out.certificates.push_back({sighting, is_late, is_revoked});
    }
    out.day = from.ledger.hours.of_partner(seen.number, from.now);
    out.purposes_waived = from.ledger.purposes_waived_of[seen.number];
    return out;
}

// For each partner, its newest refused handshake within a day.
std::map<std::string, std::int64_t> refused_by_partner(const StatusReport& report) {
    std::map<std::string, std::int64_t> out;
    for (const RefusedHandshake& refused : report.refused_handshakes) {
        if (refused.time <= report.now - kDay) continue;
        for (const std::string_view name : split(refused.claimed.view(), ','))
            out.emplace(name, refused.time);  // newest first: emplace() keeps it
    }
    return out;
}

void collect_partners(const StatusSource& from, StatusReport& report) {
    const Policy* const policy = from.snapshot ? from.snapshot->policy.get() : nullptr;
    std::set<std::string, std::less<>> seen_names;
    for (const Sightings::Seen& seen : from.ledger.sightings.all()) {
        if (!seen_names.insert(seen.name).second) continue;
        StatusReport::PartnerStatus status = status_of(seen, from);
        const Partner* const partner = policy != nullptr ? policy->find(seen.name) : nullptr;
        if (partner != nullptr) add_policy(*partner, from, status);
        report.partners.push_back(std::move(status));
    }
    report.other_partners = counts_of(from.ledger, Sightings::kOthers);
    if (policy == nullptr) return;
    for (const Partner& partner : policy->partners()) {
        if (report.partners.size() >= StatusReport::kReportedPartners) break;
        if (seen_names.contains(partner.name)) continue;
        StatusReport::PartnerStatus status;
        status.name = partner.name;
        add_policy(partner, from, status);
        report.partners.push_back(std::move(status));
    }
    const auto refused = refused_by_partner(report);
    for (auto& partner : report.partners) {
        const auto found = refused.find(partner.name);
        if (found != refused.end()) partner.refused = found->second;
    }
}

// Gives each certificate a unique name, so that no two series are equal.
void add_anchors(std::string_view partner, std::string_view contact, const AnchorSet& set, const LateRule& late,
                 StatusReport& report) {
    std::set<std::string> names;
    for (const Anchor& anchor : set.anchors) {
        for (const AnchorCertificate& c : anchor.certificates) {
            if (report.anchors.size() >= kCountedPartners) return;
            const std::string name = std::string(c.subject_text) + " (" + std::string(anchor.file) + ")";
            std::string own = name;
            for (int n = 2; !names.insert(own).second; ++n) own = name + " #" + std::to_string(n);
            report.anchors.push_back({std::string(partner), own, c.not_after, c.not_before,
                                      late.is_late(c.not_before, c.not_after, report.now), std::string(contact)});
        }
    }
}

void collect_policy(const Snapshot& snapshot, const LateRule& late, StatusReport& report) {
    const Policy& policy = *snapshot.policy;
    report.generation = policy.generation();
    report.partners_in_policy = policy.partners().size();
    report.identities = policy.identity_count();
    std::set<const AnchorSet*> defaults;
    for (const Partner& partner : policy.partners()) {
        if (report.anchors.size() >= kCountedPartners) break;
        const AnchorSet& set = *partner.anchors;
        if (partner.has_own_anchors) add_anchors(partner.name, partner.contact, set, late, report);
        if (!partner.has_own_anchors && defaults.insert(&set).second) add_anchors("*", "", set, late, report);
    }
    for (const auto& [issuer, next_update] : snapshot.crls->next_updates()) {
        if (report.crls.size() >= kCountedPartners) break;
        const std::int64_t at = next_update.value_or(0);
        report.crls.push_back({"", issuer, at, 0, at < report.now});
    }
}

}  // namespace

bool StatusReport::PartnerStatus::is(State state) const {
    switch (state) {
        case State::kLate:
            return is_late;
        case State::kDenied:
            return sum_of(day).denied > 0;
        case State::kRefused:
            return refused != 0;
        case State::kSuspended:
            return is_suspended;
        case State::kRevoked:
            return std::any_of(certificates.begin(), certificates.end(),
                               [](const auto& c) { return c.is_revoked.value_or(false); });
        case State::kNever:
            return !last;
        case State::kNone:
            break;
    }
    return false;
}

StatusReport::State StatusReport::PartnerStatus::worst() const {
    for (std::size_t i = 0; i < kStates; ++i) {
        if (is(static_cast<State>(i))) return static_cast<State>(i);
    }
    return State::kNone;
}

StatusReport collect_status(const StatusSource& source) {
    const Ledger& ledger = source.ledger;
    StatusReport out;
    out.now = source.now;
    out.since = ledger.since;
    out.watched_since = ledger.watched_since;
    out.keeper_is_up = source.keeper_is_up;
    out.in_force_since = source.in_force_since;
    out.reloads_ok = ledger.reloads_ok;
    out.reloads_failed = ledger.reloads_failed;
    out.refused_since = ledger.refused_since;
    for (const ReasonText& text : kReasons) {
        StatusReport::ReasonStatus status{text.reason, {}, ledger.examples.newest(text.reason)};
        for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
            status.counts[i] = ledger.decisions.decisions(static_cast<Outcome>(i), text.reason);
        }
        out.reasons.push_back(std::move(status));
    }
    out.day = ledger.hours.of_server(source.now);
    out.refused_handshakes = ledger.refused_handshakes.newest();
    out.troubles = find_troubles(ledger, source.snapshot, source.late, source.keeper_is_up, source.now);
    collect_partners(source, out);
    if (source.snapshot) collect_policy(*source.snapshot, source.late, out);
    for (std::size_t i = 0; i < out.handshakes_refused.size(); ++i) {
        out.handshakes_refused[i] = ledger.handshakes_refused[i];
    }
    out.durations = ledger.decisions.durations();
    out.audit_dropped = ledger.audit_dropped;
    out.purposes_waived = ledger.purposes_waived;
    out.events_ok = ledger.events_ok;
    out.events_failed = ledger.events_failed;
    out.children = ledger.children.alive();
    return out;
}

}  // namespace mtls
