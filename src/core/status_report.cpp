#include "mtls_authz/status_report.hpp"

#include <set>

namespace mtls {

namespace {

StatusReport::Counts counts_of(const Ledger& ledger, std::size_t partner) {
    StatusReport::Counts out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = ledger.decisions.of_partner(partner, static_cast<Outcome>(i));
    }
    return out;
}

// What the policy says of it, and what that means now.
void add_policy(const Partner& partner, const LateRule& late, std::int64_t now, StatusReport::PartnerStatus& status) {
    status.in_policy = true;
    status.contact = partner.contact;
    const auto& last = status.last;
    status.is_late = last && late.is_late(last->not_before, last->not_after, now);
    if (!partner.server_purpose) return;
    const auto& until = partner.server_purpose->until;
    status.waiver = {until, until && late.is_late(*until, now)};
}

void collect_partners(const Ledger& ledger, const Policy* policy, const LateRule& late, StatusReport& report) {
    std::set<std::string, std::less<>> known;
    for (Sightings::Seen& seen : ledger.sightings.all()) {
        if (!known.insert(seen.name).second) continue;
        StatusReport::PartnerStatus status{seen.name, false, counts_of(ledger, seen.number), seen.last};
        status.purposes_waived = ledger.purposes_waived_of[seen.number];
        const Partner* const partner = policy != nullptr ? policy->find(seen.name) : nullptr;
        if (partner != nullptr) add_policy(*partner, late, report.now, status);
        report.partners.push_back(std::move(status));
    }
    report.other_partners = counts_of(ledger, Sightings::kOthers);
    if (policy == nullptr) return;
    for (const Partner& partner : policy->partners()) {
        if (report.partners.size() >= kCountedPartners) break;
        if (known.contains(partner.name)) continue;
        StatusReport::PartnerStatus status{std::string(partner.name), true, {}, std::nullopt};
        add_policy(partner, late, report.now, status);
        report.partners.push_back(std::move(status));
    }
}

// Each with a name of its own, so that no two series are the same.
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

StatusReport collect_status(const Ledger& ledger, const SnapshotReader& snapshot, std::int64_t in_force_since,
                            const LateRule& late, std::int64_t now) {
    StatusReport out;
    out.now = now;
    out.in_force_since = in_force_since;
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
    collect_partners(ledger, snapshot ? snapshot->policy.get() : nullptr, late, out);
    if (snapshot) collect_policy(*snapshot, late, out);
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
