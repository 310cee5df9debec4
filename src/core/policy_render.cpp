// A policy as text: for DUMP_MTLS_POLICY, and as what a generation is the digest of.
#include <algorithm>
#include <set>

#include "mtls_authz/policy.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

std::string Identity::text() const {
    std::string out = any ? "any" : "";
    for (const Selector& selector : selectors) out += (out.empty() ? "" : " ") + config_quote(selector.text());
    if (anchor) out += " " + config_quote("anchor=" + *anchor);
    return out;
}

namespace {

void render_window(std::string& out, const TimeWindow& window) {
    if (window.from) out += " from=" + format_time(*window.from);
    if (window.until) out += " until=" + format_time(*window.until);
}

void render_anchors(std::string& out, const AnchorSet& set, const char* indent) {
    if (set.uses_mod_ssl) out += std::string(indent) + "MTLSTrustAnchor mod_ssl\n";
    for (const Anchor& anchor : set.anchors) {
        out += std::string(indent) + "MTLSTrustAnchor " + config_quote(anchor.file);
        render_window(out, anchor.window);
        out += '\n';
    }
}

void render_crl_rules(std::string& out, const CrlRules& rules, const char* indent) {
    if (rules.required) out += std::string(indent) + "MTLSCRL " + (*rules.required ? "required" : "if-present") + "\n";
    if (!rules.stale_after) return;
    constexpr std::int64_t kHour = 3600;
    const std::string value = *rules.stale_after == 0           ? "deny"
                              : *rules.stale_after == INT64_MAX ? "allow"
                                                                : "grace=" + std::to_string(*rules.stale_after / kHour);
    out += std::string(indent) + "MTLSCRLStale " + value + "\n";
}

void render_partner(std::string& out, const Partner& partner) {
    out += "<MTLSPartner " + partner.name + ">\n";
    for (const Identity& identity : partner.identities) out += "    MTLSIdentity " + identity.text() + "\n";
    if (partner.has_own_anchors) render_anchors(out, *partner.anchors, "    ");
    for (const std::string& file : partner.intermediate_files) {
        out += "    MTLSIntermediate " + config_quote(file) + "\n";
    }
    for (const GroupMembership& membership : partner.groups) {
        out += "    MTLSGroup";
        for (const std::string& name : membership.names) out += " " + name;
        if (!membership.conditions.empty()) out += " if";
        for (const Selector& selector : membership.conditions) out += " " + config_quote(selector.text());
        out += '\n';
    }
    if (!partner.validity.unbounded()) {
        out += "    MTLSValid";
        render_window(out, partner.validity);
        out += '\n';
    }
    for (const PartnerAttribute& a : partner.attributes) {
        out += "    MTLSAttribute " + a.name + " " + config_quote(a.field ? "cert:" + a.field->text() : a.value) + "\n";
    }
    if (partner.suspended) out += "    MTLSSuspend On\n";
    render_crl_rules(out, partner.crl_rules, "    ");
    out += "</MTLSPartner>\n";
}

std::vector<const Partner*> by_name(const std::vector<std::unique_ptr<const Partner>>& partners) {
    std::vector<const Partner*> sorted;
    for (const auto& partner : partners) sorted.push_back(partner.get());
    std::sort(sorted.begin(), sorted.end(), [](const Partner* a, const Partner* b) { return a->name < b->name; });
    return sorted;
}

}  // namespace

std::string Policy::render() const {
    std::string out;
    for (const auto& partner : partners_) {
        if (partner->has_own_anchors) continue;
        render_anchors(out, *partner->anchors, "");
        break;
    }
    for (const Partner* partner : by_name(partners_)) render_partner(out, *partner);
    render_crl_rules(out, crl_rules_, "");
    std::set<std::string> revocations;
    for (const Revocation& revocation : revocations_.all()) revocations.insert(revocation.text());
    for (const std::string& revocation : revocations) out += "MTLSRevoke " + revocation + "\n";
    return out;
}

// render(), and the content of every file that it names: two servers with the same files show the same generation.
std::string Policy::effective_content() const {
    std::string out = render();
    for (const Partner* partner : by_name(partners_)) {
        for (const Anchor& anchor : partner->anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) out += hex(bytes_of(c.facts.sha256)) + "\n";
        }
        for (const AnchorCertificate& c : partner->intermediates) out += hex(bytes_of(c.facts.sha256)) + "\n";
    }
    return out;
}

}  // namespace mtls
