#include <algorithm>

#include "httpd/start/section_paths.hpp"
#include "mtls_authz/base/request_path.hpp"

namespace mtls::httpd {

namespace {

using Kind = GateSection::Kind;

bool is_location(const GateSection& s) { return s.kind == Kind::kLocation || s.kind == Kind::kLocationMatch; }

// Whether a section replaces the allow rules of those that are merged before it.
bool replaces_rules(const DirConfig& c) { return c.allow != nullptr || (c.mode && !is_enforced(c)); }

std::string rules_text(const DirConfig& c) {
    if (c.mode == GateMode::kOff) return "MTLSAuthz Off";
    if (c.allow == nullptr) return "MTLSAuthz LogOnly";
    std::string out = "MTLSAllow ";
    for (const GateRule& rule : *c.allow) out += (&rule == &c.allow->front() ? "" : " | ") + rule.text();
    return out;
}

// Whether `later`, which replaces the rules of `earlier`, allows partners that `earlier` denied. Denials add up, so a
// section without MTLSAllow loses nothing by the order.
bool is_wider(const DirConfig& later, const DirConfig& earlier) {
    if (!is_enforced(later)) return true;
    if (later.allow == nullptr || earlier.allow == nullptr) return false;
    return !std::all_of(later.allow->begin(), later.allow->end(),
                        [&](const GateRule& rule) { return cover(*earlier.allow, rule); });
}

// Whether both apply to the same requests.
bool are_same(const GateSection& a, const GateSection& b) {
    return a.kind == b.kind && a.title() == b.title() && a.server == b.server && a.holder == b.holder &&
           a.holder_prefix == b.holder_prefix;
}

// Of two Locations, or of two other sections for the same, the later one is merged after the earlier one.
void check_later(const GateSection& early, const GateSection& late, Findings& findings) {
    const auto reach = is_location(early) && is_location(late) ? reach_of(late) : std::nullopt;
    if (!are_same(early, late) && !(reach && includes(*reach, early))) return;
    const bool wider = is_wider(*late.config, *early.config);
    const bool are_literal = is_literal_location(late) && is_literal_location(early);
    const bool is_shorter = are_literal && late.path.size() < early.path.size();
    // A virtual host's own section for the same path is meant to take the place of the main server's.
    const bool is_meant = are_literal && !is_shorter && late.server != early.server;
    const bool loses_rules = wider || (is_shorter && early.config->allow != nullptr);
    if (is_meant || !loses_rules) return;
    const std::string text = std::string(is_shorter ? "this later, shorter section " : "this later section ") +
                             "replaces the gate of " + early.title() + " at " + early.where.str() + " with '" +
                             rules_text(*late.config) +
                             "': " + (is_location(late) ? "Locations" : "sections for the same") +
                             " count in order of appearance; put it before that one";
    if (is_shorter && wider) {
        add_once(findings, Diagnostic::Severity::kError, late.where,
                 text + " (an error, since it lets in more than that one)");
    } else {
        add_once(findings, Diagnostic::Severity::kWarning, late.where, text);
    }
}

// <If> is merged after all Locations, one inside a Location, too.
void check_if(const GateSection& early, const GateSection& late, Findings& findings) {
    const auto reach = reach_of(late);
    const bool is_around = late.holder == Kind::kLocation && late.is_holder_literal;
    const Reach around{Reach::Kind::kBelow, late.holder_prefix};
    // It refines the section that holds it.
    const bool is_own =
        is_around && is_literal_location(early) && early.path == late.holder_prefix && early.server == late.server;
    const bool applies = reach ? includes(*reach, early) : is_around && !is_own && includes(around, early);
    if (!applies || !is_wider(*late.config, *early.config)) return;
    add_once(findings, Diagnostic::Severity::kWarning, late.where,
             std::string("this section ") + (reach ? "" : "of <Location " + late.holder_prefix + "> ") +
                 "replaces the gate of " + early.title() + " at " + early.where.str() + " with '" +
                 rules_text(*late.config) + "'" + (reach ? "" : " where its condition holds") +
                 ": <If> is merged after all Locations; " +
                 (reach ? "put these rules into a <Location /> before that one"
                        : "write such an <If> into that one, too, with its rules"));
}

// The URL of a folder below DocumentRoot, "/" for a folder around it; empty if no URL is known.
std::string url_of(const server_rec* s, const std::string& folder) {
    const std::string root =
        static_cast<const core_server_config*>(ap_get_core_module_config(s->module_config))->ap_document_root;
    std::string_view path = folder;
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (covers(path, root)) return "/";
    return is_below(root, path) ? std::string(path.substr(root.size())) : "";
}

// Locations are merged after Directories, Files and Proxy sections, and replace their rules.
void check_before_locations(const server_rec* s, const GateSection& hidden, const Sections& sections,
                            Findings& findings) {
    const std::string url = hidden.kind == Kind::kDirectory && hidden.is_literal() ? url_of(s, hidden.path) : "";
    const auto over = std::find_if(sections.rbegin(), sections.rend(), [&](const GateSection* late) {
        const auto reach = is_location(*late) ? reach_of(*late) : std::nullopt;
        return reach && replaces_rules(*late->config) &&
               (reach->is_everything() || (!url.empty() && reach->has_below(url)));
    });
    if (over == sections.rend()) return;
    add_once(findings, Diagnostic::Severity::kWarning, hidden.where,
             "the rules of " + hidden.title() + " are not asked" +
                 (reach_of(**over)->is_everything() ? "" : " at " + url) + ": " + (*over)->title() + " at " +
                 (*over)->where.str() + " is merged after it, and replaces them with '" + rules_text(*(*over)->config) +
                 "'; write them into a Location after that one");
}

// All other sections are merged after the rules of a server itself, those of the main server, too.
void check_server_level(const server_rec* s, const GateSection& hidden, const Sections& sections, Findings& findings) {
    for (const GateSection* late : sections) {
        const bool is_folder = late->kind == Kind::kDirectory && late->is_literal() && url_of(s, late->path) == "/";
        const auto reach = reach_of(*late);
        const bool is_over = is_folder || (reach && reach->is_everything());
        if (!is_over || !replaces_rules(*late->config) || !is_wider(*late->config, *hidden.config)) continue;
        add_once(findings, Diagnostic::Severity::kWarning, hidden.where,
                 "the rules of the " + std::string(s->is_virtual ? "virtual host" : "server") +
                     " itself are not asked" + (is_folder ? " where files are served" : "") + ": " + late->title() +
                     " at " + late->where.str() + " is merged after them, and replaces them with '" +
                     rules_text(*late->config) + "'; write them into a <Location /> of this server, after that one");
    }
}

}  // namespace

void add_once(Findings& findings, Diagnostic::Severity severity, const Where& where, const std::string& text) {
    const bool is_said =
        std::any_of(findings.begin(), findings.end(), [&](const Diagnostic& other) { return other.message == text; });
    if (!is_said) findings.push_back({severity, where, text});
}

// httpd merges the server itself, then Directories and Files, then Proxy sections, then Locations in order of
// appearance, not by length, then <If>.
void check_order(const server_rec* s, const Sections& sections, Findings& findings) {
    for (auto early = sections.begin(); early != sections.end(); ++early) {
        const GateSection& one = **early;
        if (!is_enforced(*one.config)) continue;
        if (one.kind == Kind::kServer) {
            if (one.server == s && one.config->allow != nullptr) check_server_level(s, one, sections, findings);
            continue;
        }
        if (one.kind == Kind::kIf) continue;
        if (!is_location(one) && one.config->allow != nullptr) check_before_locations(s, one, sections, findings);
        for (auto late = sections.begin(); late != sections.end(); ++late) {
            if (!replaces_rules(*(*late)->config)) continue;
            if (is_location(one) && (*late)->kind == Kind::kIf) check_if(one, **late, findings);
            if (late > early) check_later(one, **late, findings);
        }
    }
}

}  // namespace mtls::httpd
