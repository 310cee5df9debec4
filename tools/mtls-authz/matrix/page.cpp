
#include "page.hpp"

#include <ctime>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"
#include "overview.hpp"

namespace mtls::tool {

namespace {

constexpr const char* kTitle = "Partners and what they may do";
constexpr const char* kStyle = R"(
.stop { font-weight: 600; color: var(--bad); }
dl + table { margin-top: .75rem; }
th { white-space: nowrap; }
)";

class List {
public:
    void add(const char* term, const std::string& definition) {
        if (!definition.empty()) text_ += std::string("<dt>") + term + "</dt><dd>" + definition + "</dd>\n";
    }
    std::string text() const { return "<dl>\n" + text_ + "</dl>\n"; }

private:
    std::string text_;
};

std::string window_text(const TimeWindow& window) {
    std::string out;
    if (window.from) out += "from " + format_time(*window.from);
    if (window.until) out += (out.empty() ? "" : " ") + std::string("until ") + format_time(*window.until);
    return out;
}

std::string anchors_text(const AnchorSet& set) {
    std::string out;
    if (set.uses_mod_ssl) out += "<div>whatever CA mod_ssl is given</div>";
    for (const Anchor& anchor : set.anchors) {
        for (const AnchorCertificate& c : anchor.certificates) {
            const std::string window = window_text(anchor.window);
            const std::string domain(anchor.trust_domain);
            out += "<div>" + html_escape(c.subject_text) +
                   (domain.empty() ? "" : ", for SPIFFE IDs of " + html_escape(domain)) + ", expires " +
                   format_time(c.not_after) + (window.empty() ? "" : ", counts " + window) + "<br>" +
                   html_code(hex(bytes_of(c.sha256))) + "</div>";
        }
    }
    return out;
}

std::string grants_text(std::span<const Grant> grants) {
    if (grants.empty()) return {};
    std::string out = "<table><tr><th>Methods</th><th>Paths</th><th>Only if</th><th>Line</th></tr>\n";
    for (const Grant& grant : grants) {
        out += "<tr><td>" + html_escape(grant.methods.text()) + "</td><td>";
        for (const PathPattern& path : grant.paths) out += "<div>" + html_code(path.text()) + "</div>";
        out += "</td><td>";
        for (const Selector& selector : grant.conditions) out += "<div>" + html_code(selector.text()) + "</div>";
        out += "</td><td>" + html_code(grant.where.str()) + "</td></tr>\n";
    }
    return out + "</table>\n";
}

// Where the partner is suspended; "" if it is not.
std::string suspension_text(const Partner& partner, const Refusals* refusals) {
    const Suspension* const elsewhere = refusals != nullptr ? refusals->suspends(partner.name) : nullptr;
    if (elsewhere == nullptr && !partner.suspended) return {};
    const std::string_view note = elsewhere != nullptr ? elsewhere->note : partner.suspension_note;
    return "<span class=\"stop\">suspended</span> at " +
           html_code(elsewhere != nullptr ? elsewhere->where.str() : partner.suspended->str()) +
           (note.empty() ? "" : ": " + html_escape(note));
}

std::string partner_text(const Partner& partner, const Refusals* refusals) {
    std::string identities, groups;
    for (const Identity& identity : partner.identities) identities += "<div>" + html_code(identity.text()) + "</div>";
    for (const GroupMembership& membership : partner.groups) {
        std::string line;
        for (const std::string_view name : membership.names) {
            if (!line.empty()) line += ", ";
            line += html_escape(name);
        }
        for (const Selector& selector : membership.conditions) line += " if " + html_code(selector.text());
        groups += "<div>" + line + "</div>";
    }
    List list;
    list.add("State", suspension_text(partner, refusals));
    list.add("Recognized by", identities);
    list.add("Trust anchors",
             anchors_text(*partner.anchors) + (partner.has_own_anchors ? "" : "<div>(the default)</div>"));
    list.add("Contract", window_text(partner.validity));
    list.add("Groups", groups);
    list.add("Defined at", html_code(partner.where.str()));
    const std::string name = html_escape(partner.name);
    return "<section id=\"p-" + name + "\">\n<h2>" + name + "</h2>\n" + list.text() + grants_text(partner.grants) +
           "</section>\n";
}

}  // namespace

std::string page_of(const Policy& policy, const Refusals* refusals) {
    std::string out = std::string("<h1>") + kTitle + "</h1>\n<p class=\"note\">Generation " +
                      html_code(policy.generation()) + ", " + std::to_string(policy.partners().size()) +
                      " partner(s), printed " + format_time(std::time(nullptr)) + "</p>\n";
    out += overview_of(policy);
    for (const Partner& partner : policy.partners()) out += partner_text(partner, refusals);
    if (!policy.grants().empty()) {
        out += "<section>\n<h2>Every partner</h2>\n" + grants_text(policy.grants()) + "</section>\n";
    }
    std::string revocations;
    for (const RevocationSet* set : {&policy.revocations(), refusals != nullptr ? &refusals->revocations : nullptr}) {
        if (set == nullptr) continue;
        for (const RevocationLine& revocation : set->all())
            revocations += "<div>" + html_code(revocation.text()) + "</div>";
    }
    if (!revocations.empty()) out += "<section>\n<h2>Revoked</h2>\n" + revocations + "</section>\n";
    return html_page(kTitle, std::string(kStyle) + kOverviewStyle, out);
}

}  // namespace mtls::tool
