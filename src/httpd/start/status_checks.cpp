#include "httpd/start/status_checks.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

enum class Access { kUnsaid, kOpen, kRestricted };

bool has_words(const ap_directive_t& d, const char* directive, std::initializer_list<std::string_view> expected) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    return equal_nocase(d.directive, directive) && words.size() >= expected.size() &&
           std::equal(expected.begin(), expected.end(), words.begin(),
                      [](std::string_view a, const std::string& b) { return equal_nocase(a, b); });
}

// Of the Require lines from `node` on: alternatives, unless `is_all`.
Access access_by_require(const ap_directive_t* node, bool is_all) {
    bool some_open = false, some_restrict = false;
    for (; node != nullptr; node = node->next) {
        Access one = Access::kUnsaid;
        if (equal_nocase(node->directive, "Require")) {
            one = has_words(*node, "Require", {"all", "granted"}) ? Access::kOpen : Access::kRestricted;
        } else if (starts_nocase(node->directive, "<RequireNone")) {
            one = Access::kRestricted;
        } else if (starts_nocase(node->directive, "<Require")) {
            one = access_by_require(node->first_child, equal_nocase(node->directive, "<RequireAll"));
        }
        some_open = some_open || one == Access::kOpen;
        some_restrict = some_restrict || one == Access::kRestricted;
    }
    if (some_open && some_restrict) return is_all ? Access::kRestricted : Access::kOpen;
    return some_open ? Access::kOpen : some_restrict ? Access::kRestricted : Access::kUnsaid;
}

Access access_by_gate(const ap_directive_t* node) {
    Access out = Access::kUnsaid;
    for (; node != nullptr; node = node->next) {
        if (has_words(*node, "MTLSAuthz", {"Off"}) || has_words(*node, "MTLSAuthz", {"LogOnly"})) return Access::kOpen;
        if (equal_nocase(node->directive, "MTLSAllow") || equal_nocase(node->directive, "MTLSDeny") ||
            has_words(*node, "MTLSAuthz", {"On"})) {
            out = Access::kRestricted;
        }
    }
    return out;
}

// The sections that are merged for one place, the innermost first: of each kind of restriction, the first word counts.
class MergedAccess {
public:
    // `node`: the first directive of a section.
    void add(const ap_directive_t* node) {
        for (const ap_directive_t* d = node; d != nullptr; d = d->next) {
            denies_ = denies_ || equal_nocase(d->directive, "Deny");
            // With AuthMerging And or Or, the Require lines of the sections around count, too.
            is_merged_ =
                is_merged_ || (equal_nocase(d->directive, "AuthMerging") && !has_words(*d, "AuthMerging", {"Off"}));
        }
        const Access by_require = access_by_require(node, false);
        if (by_require == Access::kRestricted && is_merged_) require_ = by_require;
        if (require_ == Access::kUnsaid) require_ = by_require;
        if (gate_ == Access::kUnsaid) gate_ = access_by_gate(node);
    }
    bool are_restricted() const { return denies_ || require_ == Access::kRestricted || gate_ == Access::kRestricted; }

private:
    bool denies_ = false, is_merged_ = false;
    Access require_ = Access::kUnsaid, gate_ = Access::kUnsaid;
};

bool is_handler_rule(const ap_directive_t& d) { return equal_nocase(d.directive, "RewriteRule"); }

// The path at which the directive counts; nothing if that is not known.
std::optional<std::string> path_of(const ap_directive_t& d) {
    const ap_directive_t* const section = path_section_of(&d);
    if (section != nullptr) {
        const auto literal = literal_location(section);
        return literal ? std::optional<std::string>(*literal) : std::nullopt;
    }
    if (!is_handler_rule(d)) return "/";
    std::string pattern = config_words(d.args)[0];
    if (pattern.starts_with('^')) pattern.erase(0, 1);
    if (pattern.ends_with('$')) pattern.pop_back();
    const bool is_plain = pattern.starts_with('/') && pattern.find_first_of(kRegexMarks) == std::string::npos;
    return is_plain ? std::optional(pattern) : std::nullopt;
}

// Whether a section around the directive, or a Location that covers its path, restricts access. LocationMatch and
// Directory are ignored: whether they apply is not known here.
bool is_restricted(const ap_directive_t& d) {
    MergedAccess merged;
    const ap_directive_t *const section = path_section_of(&d), *const own = host_of(&d);
    const auto path = path_of(d);
    for (const ap_directive_t* up = d.parent; up != nullptr; up = up->parent) {
        const bool is_among_locations = path && up == section;
        if (up != own && !is_among_locations) merged.add(up->first_child);
    }
    std::vector<const ap_directive_t*> around;
    for_every_directive([&](const ap_directive_t& other) {
        const auto over = path ? literal_location(&other) : std::nullopt;
        const ap_directive_t* const host = host_of(&other);
        if (over && (host == nullptr || host == own) && covers(*over, *path)) around.push_back(other.first_child);
    });
    // The last in order of appearance is the innermost.
    std::for_each(around.rbegin(), around.rend(), [&merged](const ap_directive_t* node) { merged.add(node); });
    if (own != nullptr) merged.add(own->first_child);
    merged.add(ap_conftree);
    return merged.are_restricted();
}

bool says_on(const ap_directive_t& d) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    return equal_nocase(d.directive, "MTLSStatus") && !words.empty() && equal_nocase(words[0], "On");
}

bool is_handler(const ap_directive_t& d) {
    if (has_words(d, "SetHandler", {"mtls-authz-status"}) || has_words(d, "AddHandler", {"mtls-authz-status"}))
        return true;
    const auto words = config_words(d.args != nullptr ? d.args : "");
    if (!is_handler_rule(d) || words.size() < 3) return false;
    const std::string flags = lower(words[2]);
    return flags.find("h=mtls-authz-status") != std::string::npos ||
           flags.find("handler=mtls-authz-status") != std::string::npos;
}

}  // namespace

void check_status_places(std::vector<Diagnostic>& findings) {
    bool is_on_at_server_level = false;
    for_every_directive([&](const ap_directive_t& d) {
        is_on_at_server_level = is_on_at_server_level || (says_on(d) && path_section_of(&d) == nullptr);
    });
    for_every_directive([&](const ap_directive_t& d) {
        const bool answers = is_on_at_server_level ? is_handler(d) : says_on(d);
        const bool is_somewhere = is_handler_rule(d) && !path_of(d);  // its Location may be any
        if (!answers || is_somewhere || is_restricted(d)) return;
        findings.push_back({Diagnostic::Severity::kWarning, place_of(&d),
                            std::string(d.directive) + " " + (d.args != nullptr ? d.args : "") +
                                ": everybody who reaches this place sees the names and certificates of your partners: "
                                "add Require, like Require ip 127.0.0.1, or MTLSAllow"});
    });
}

}  // namespace mtls::httpd
