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

void collect_partners(const Ledger& ledger, const Policy* policy, StatusReport& report) {
    std::set<std::string, std::less<>> known;
    for (Sightings::Seen& seen : ledger.sightings.all()) {
        if (!known.insert(seen.name).second) continue;
        const bool in_policy = policy != nullptr && policy->find(seen.name) != nullptr;
        report.partners.push_back({seen.name, in_policy, counts_of(ledger, seen.number), seen.last});
    }
    report.other_partners = counts_of(ledger, Sightings::kOthers);
    if (policy == nullptr) return;
    for (const Partner& partner : policy->partners()) {
        if (report.partners.size() >= kCountedPartners) break;
        if (!known.contains(partner.name))
            report.partners.push_back({std::string(partner.name), true, {}, std::nullopt});
    }
}

// Each with a name of its own, so that no two series are the same.
void add_anchors(std::string_view partner, const AnchorSet& set, StatusReport& report) {
    std::set<std::string> names;
    for (const Anchor& anchor : set.anchors) {
        for (const AnchorCertificate& c : anchor.certificates) {
            if (report.anchors.size() >= kCountedPartners) return;
            const std::string name = std::string(c.subject_text) + " (" + std::string(anchor.file) + ")";
            std::string own = name;
            for (int n = 2; !names.insert(own).second; ++n) own = name + " #" + std::to_string(n);
            report.anchors.push_back({std::string(partner), own, c.not_after});
        }
    }
}

void collect_policy(const Snapshot& snapshot, StatusReport& report) {
    const Policy& policy = *snapshot.policy;
    report.generation = policy.generation();
    report.partners_in_policy = policy.partners().size();
    report.identities = policy.identity_count();
    std::set<const AnchorSet*> defaults;
    for (const Partner& partner : policy.partners()) {
        if (report.anchors.size() >= kCountedPartners) break;
        const AnchorSet& set = *partner.anchors;
        if (partner.has_own_anchors) add_anchors(partner.name, set, report);
        if (!partner.has_own_anchors && defaults.insert(&set).second) add_anchors("*", set, report);
    }
    for (const auto& [issuer, next_update] : snapshot.crls->next_updates()) {
        if (report.crls.size() >= kCountedPartners) break;
        report.crls.push_back({"", issuer, next_update.value_or(0)});
    }
}

}  // namespace

StatusReport collect_status(const Ledger& ledger, const SnapshotReader& snapshot, std::int64_t in_force_since,
                            std::int64_t now) {
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
    collect_partners(ledger, snapshot ? snapshot->policy.get() : nullptr, out);
    if (snapshot) collect_policy(*snapshot, out);
    for (std::size_t i = 0; i < out.handshakes_refused.size(); ++i) {
        out.handshakes_refused[i] = ledger.handshakes_refused[i];
    }
    out.durations = ledger.decisions.durations();
    out.audit_dropped = ledger.audit_dropped;
    out.purposes_waived = ledger.purposes_waived;
    out.children = ledger.children.alive();
    return out;
}

}  // namespace mtls
