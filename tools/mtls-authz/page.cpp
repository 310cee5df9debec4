#include "page.hpp"

#include <ctime>

#include "mtls_authz/text.hpp"

namespace mtls::tool {

namespace {

// Readable on a phone, by day and night, and on paper.
constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Partners and what they may do</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
.note { opacity: .75; margin: 0 0 1rem; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 0 0 1rem; break-inside: avoid; }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .25rem 1rem; margin: 0; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.stop { font-weight: 600; color: #b00020; }
@media (prefers-color-scheme: dark) { .stop { color: #ff8a80; } }
table { border-collapse: collapse; width: 100%; }
dl + table { margin-top: .75rem; }
th { white-space: nowrap; }
td, th { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin: 0 0 .5rem; } }
@media print { body { max-width: none; font-size: 11pt; padding: 0; } section { border-color: #999; } }
</style>
</head>
<body>
)";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                // What is not printable ASCII is shown as in the log.
                out += escape_for_log({&c, 1}, 8);
        }
    }
    return out;
}

std::string code(std::string_view text) { return "<code>" + escaped(text) + "</code>"; }

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
            out += "<div>" + escaped(c.facts.subject.text()) + ", expires " + format_time(c.facts.not_after) +
                   (window.empty() ? "" : ", counts " + window) + "<br>" + code(hex(bytes_of(c.facts.sha256))) +
                   "</div>";
        }
    }
    return out;
}

std::string grants_text(const std::vector<Grant>& grants) {
    if (grants.empty()) return {};
    std::string out = "<table><tr><th>Methods</th><th>Paths</th><th>Only if</th></tr>\n";
    for (const Grant& grant : grants) {
        out += "<tr><td>" + escaped(grant.methods.text()) + "</td><td>";
        for (const PathPattern& path : grant.paths) out += "<div>" + code(path.text()) + "</div>";
        out += "</td><td>";
        for (const Selector& selector : grant.conditions) out += "<div>" + code(selector.text()) + "</div>";
        out += "</td></tr>\n";
    }
    return out + "</table>\n";
}

std::string partner_text(const Partner& partner) {
    std::string identities, groups;
    for (const Identity& identity : partner.identities) identities += "<div>" + code(identity.text()) + "</div>";
    for (const GroupMembership& membership : partner.groups) {
        std::string line;
        for (const std::string& name : membership.names) {
            if (!line.empty()) line += ", ";
            line += escaped(name);
        }
        for (const Selector& selector : membership.conditions) line += " if " + code(selector.text());
        groups += "<div>" + line + "</div>";
    }
    List list;
    if (partner.suspended) list.add("State", "<span class=\"stop\">suspended</span>");
    list.add("Recognized by", identities);
    list.add("Trust anchors",
             anchors_text(*partner.anchors) + (partner.has_own_anchors ? "" : "<div>(the default)</div>"));
    list.add("Contract", window_text(partner.validity));
    list.add("Groups", groups);
    list.add("Defined at", code(partner.where.str()));
    return "<section>\n<h2>" + escaped(partner.name) + "</h2>\n" + list.text() + grants_text(partner.grants) +
           "</section>\n";
}

}  // namespace

std::string page_of(const Policy& policy) {
    std::string out = kHead;
    out += "<h1>Partners and what they may do</h1>\n<p class=\"note\">Generation " + code(policy.generation()) + ", " +
           std::to_string(policy.partners().size()) + " partner(s), printed " + format_time(std::time(nullptr)) +
           "</p>\n";
    for (const auto& partner : policy.partners()) out += partner_text(*partner);
    if (!policy.grants().empty()) {
        out += "<section>\n<h2>Every partner</h2>\n" + grants_text(policy.grants()) + "</section>\n";
    }
    std::string revocations;
    for (const Revocation& revocation : policy.revocations().all())
        revocations += "<div>" + code(revocation.text()) + "</div>";
    if (!revocations.empty()) out += "<section>\n<h2>Revoked</h2>\n" + revocations + "</section>\n";
    return out + "</body>\n</html>\n";
}

}  // namespace mtls::tool
