#include "httpd/start/status_checks.hpp"

#include <algorithm>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

bool has_restriction(const ap_directive_t* node);

bool restricts(const ap_directive_t& d) {
    const std::string_view name = d.directive;
    const auto words = config_words(d.args != nullptr ? d.args : "");
    if (equal_nocase(name, "Require")) {
        return words.size() != 2 || !equal_nocase(words[0], "all") || !equal_nocase(words[1], "granted");
    }
    if (starts_nocase(name, "<Require")) return has_restriction(d.first_child);
    return equal_nocase(name, "MTLSAllow") || equal_nocase(name, "MTLSDeny") || equal_nocase(name, "Deny") ||
           (equal_nocase(name, "MTLSAuthz") && !words.empty() && equal_nocase(words[0], "On"));
}

// `node`: the first directive of a section.
bool has_restriction(const ap_directive_t* node) {
    for (; node != nullptr; node = node->next) {
        if (restricts(*node)) return true;
    }
    return false;
}

// Whether a section around the directive, or a Location that covers its path, restricts access. LocationMatch and
// Directory are ignored: whether they apply is not known here.
bool is_restricted(const ap_directive_t& d) {
    for (const ap_directive_t* up = d.parent; up != nullptr; up = up->parent) {
        if (has_restriction(up->first_child)) return true;
    }
    if (has_restriction(ap_conftree)) return true;
    const ap_directive_t* const section = path_section_of(&d);
    const auto path = literal_location(section);
    if (!path) return false;
    return is_any_directive([&](const ap_directive_t& other) {
        const auto over = literal_location(&other);
        const ap_directive_t *const host = host_of(&other), *const own = host_of(&d);
        const bool applies = over && (host == nullptr || host == own) && covers(*over, *path);
        return applies && has_restriction(other.first_child);
    });
}

bool says_on(const ap_directive_t& d) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    return equal_nocase(d.directive, "MTLSStatus") && !words.empty() && equal_nocase(words[0], "On");
}

bool is_handler(const ap_directive_t& d) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    return equal_nocase(d.directive, "SetHandler") && !words.empty() && words[0] == "mtls-authz-status";
}

}  // namespace

void check_status_places(std::vector<Diagnostic>& findings) {
    bool is_on_at_server_level = false;
    for_every_directive([&](const ap_directive_t& d) {
        is_on_at_server_level = is_on_at_server_level || (says_on(d) && path_section_of(&d) == nullptr);
    });
    for_every_directive([&](const ap_directive_t& d) {
        const bool answers = is_on_at_server_level ? is_handler(d) : says_on(d);
        if (!answers || is_restricted(d)) return;
        findings.push_back({Diagnostic::Severity::kWarning, place_of(&d),
                            std::string(d.directive) + " " + (d.args != nullptr ? d.args : "") +
                                ": everybody who reaches this place sees the names and certificates of your partners: "
                                "add Require, like Require ip 127.0.0.1, or MTLSAllow"});
    });
}

}  // namespace mtls::httpd
