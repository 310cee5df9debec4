// Renders a policy as text: for DUMP_MTLS_POLICY, and as input of the generation's digest.
#include <algorithm>
#include <iterator>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls {

namespace {

void render_window(std::string& out, const TimeWindow& window) {
    if (window.from) out += " from=" + format_time(*window.from);
    if (window.until) out += " until=" + format_time(*window.until);
}

void render_anchors(std::string& out, const AnchorSet& set, const char* indent) {
    if (set.uses_mod_ssl) out += std::string(indent) + "MTLSTrustAnchor " + std::string(kModSsl) + "\n";
    for (const Anchor& anchor : set.anchors) {
        out += std::string(indent) + "MTLSTrustAnchor " + config_quote(anchor.file);
        if (!anchor.trust_domain.empty()) out += " trust-domain=" + std::string(anchor.trust_domain);
        render_window(out, anchor.window);
        out += '\n';
    }
}

void render_crl_rules(std::string& out, const CrlRules& rules, const char* indent) {
    for (const std::string& line : texts_of(rules)) out += indent + line + "\n";
}

}  // namespace

std::vector<std::string> texts_of(const CrlRules& rules) {
    std::vector<std::string> out;
    if (rules.required) out.push_back(std::string("MTLSCRL ") + (*rules.required ? "required" : "if-present"));
    if (rules.short_life) out.push_back("MTLSShortLived " + std::to_string(*rules.short_life));
    if (!rules.stale_after) return out;
    const std::string value = *rules.stale_after == 0           ? "deny"
                              : *rules.stale_after == INT64_MAX ? "allow"
                                                                : "grace=" + std::to_string(*rules.stale_after / kHour);
    out.push_back("MTLSCRLStale " + value);
    return out;
}

std::string Front::text() const {
    std::string out = "header=" + std::string(header) + " format=" + std::string(word_of(format));
    if (!chain.empty()) out += " chain=" + std::string(chain);
    for (const Network& network : networks) out += " network=" + network.text();
    return out;
}

std::string PartnerAttribute::text() const {
    return std::string(name) + " " + config_quote((field ? "cert:" : "") + std::string(value));
}

std::string Partner::render() const {
    const Partner& partner = *this;
    std::string out = "<MTLSPartner " + std::string(partner.name) + ">\n";
    for (const Identity& identity : partner.identities) out += "    MTLSIdentity " + identity.text() + "\n";
    if (partner.has_own_anchors) render_anchors(out, *partner.anchors, "    ");
    for (const std::string_view file : partner.intermediate_files) {
        out += "    MTLSIntermediate " + config_quote(file) + "\n";
    }
    for (const GroupMembership& membership : partner.groups) {
        out += "    MTLSGroup";
        for (const std::string_view group : membership.names) out += " " + std::string(group);
        if (!membership.conditions.empty()) out += " if" + membership.conditions.text();
        out += '\n';
    }
    if (!partner.validity.unbounded()) {
        out += "    MTLSValid";
        render_window(out, partner.validity);
        out += '\n';
    }
    if (partner.server_purpose) {
        out += "    MTLSPurpose serverAuth";
        render_window(out, *partner.server_purpose);
        out += '\n';
    }
    if (!partner.networks.empty()) out += "    MTLSNetwork " + texts_of(partner.networks) + "\n";
    for (const PartnerAttribute& a : partner.attributes) out += "    MTLSAttribute " + a.text() + "\n";
    for (const Grant& grant : partner.grants) out += "    MTLSGrant " + grant.text() + "\n";
    if (const Front* const front = partner.front()) out += "    MTLSFront " + front->text() + "\n";
    if (partner.suspended) out += "    MTLSSuspend On\n";
    if (!partner.contact.empty()) out += "    MTLSContact " + config_quote(partner.contact) + "\n";
    render_crl_rules(out, partner.crl_rules, "    ");
    out += "</MTLSPartner>\n";
    return out;
}

namespace {

void append_change(std::string& out, const char* verb, const std::vector<std::string>& names) {
    constexpr std::size_t kMostNamed = 10;
    if (names.empty()) return;
    out += (out.empty() ? "" : "; ") + std::string(verb);
    for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); ++i)
        out += (i == 0 ? " " : ", ") + escape_for_reader(names[i], 200);
    if (names.size() > kMostNamed) out += " and " + std::to_string(names.size() - kMostNamed) + " more";
}

}  // namespace

std::string Partner::find_digest() const {
    std::string out = render();
    for (const Anchor& anchor : anchors->anchors) {
        render_window(out, anchor.window);
        if (anchor.sequence) out += std::to_string(*anchor.sequence) + "\n";
        for (const AnchorCertificate& c : anchor.certificates) out += c.sha256;
    }
    if (anchors->uses_mod_ssl) out += kModSsl;
    for (const auto& file : intermediates) {
        for (const AnchorCertificate& c : file) out += c.sha256;
    }
    return sha256(out);
}

// The directives outside of partners, sorted and without duplicates.
std::string Policy::render_common() const {
    std::set<std::string> lines;
    for (const Grant& grant : grants_) lines.insert("MTLSGrant " + grant.text());
    for (const CrlFile& files : crl_files_) lines.insert("MTLSCRLFile " + config_quote(files.spelled));
    for (const RevocationLine& revocation : revocations_.all()) lines.insert("MTLSRevoke " + revocation.text());
    for (const std::string_view text : expectations_) lines.insert("MTLSExpect " + std::string(text));
    std::string out;
    render_crl_rules(out, crl_rules_, "");
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

// Two servers with the same content have the same generation: file names and positions do not count.
std::string Policy::find_generation() const {
    std::string content = render_common();
    for (const Partner* partner : by_name_) content += partner->digest;
    content += expected_certificates_;
    return hex(bytes_of(sha256(content))).substr(0, 16);
}

std::string Policy::render() const {
    std::string out;
    for (const Partner& partner : partners_) {
        if (partner.has_own_anchors) continue;
        render_anchors(out, *partner.anchors, "");
        break;
    }
    for (const Partner* partner : by_name_) out += partner->render();
    return out + render_common();
}

std::string describe_change(const Policy& before, const Policy& after) {
    std::vector<std::string> added, changed, removed;
    for (const Partner* partner : after.partners_by_name()) {
        const Partner* const previous = before.find(partner->name);
        if (previous == nullptr) added.emplace_back(partner->name);
        if (previous != nullptr && previous->digest != partner->digest) changed.emplace_back(partner->name);
    }
    for (const Partner* partner : before.partners_by_name()) {
        if (after.find(partner->name) == nullptr) removed.emplace_back(partner->name);
    }
    std::vector<std::string> suspended, resumed;
    for (const Partner* partner : after.partners_by_name()) {
        const Partner* const previous = before.find(partner->name);
        const bool was = previous != nullptr && previous->suspended.has_value();
        if (partner->suspended && !was) suspended.emplace_back(partner->name);
        if (!partner->suspended && was) resumed.emplace_back(partner->name);
    }
    const auto revocations_of = [](const Policy& policy) {
        std::set<std::string> lines;
        for (const RevocationLine& line : policy.revocations().all()) lines.insert(line.text());
        return lines;
    };
    const std::set<std::string> had = revocations_of(before), has = revocations_of(after);
    std::vector<std::string> revoked, lifted;
    std::set_difference(has.begin(), has.end(), had.begin(), had.end(), std::back_inserter(revoked));
    std::set_difference(had.begin(), had.end(), has.begin(), has.end(), std::back_inserter(lifted));
    std::string out;
    append_change(out, "added", added);
    append_change(out, "changed", changed);
    append_change(out, "removed", removed);
    append_change(out, "suspended", suspended);
    append_change(out, "no longer suspended", resumed);
    append_change(out, "revoked", revoked);
    append_change(out, "no longer revoked", lifted);
    return out.empty() ? "no partner changed, other lines did" : out;
}

}  // namespace mtls
