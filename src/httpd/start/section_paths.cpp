#include "httpd/start/section_paths.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "httpd/config/config_tree.hpp"
#include "httpd/config/section_regex.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

extern "C" {
#include <apr_fnmatch.h>
}

namespace mtls::httpd {

namespace {

using Kind = GateSection::Kind;

bool is_always_true(const GateSection& s) {
    return s.kind == Kind::kIf && s.holder == Kind::kServer && (s.other == "<If \"true\">" || s.other == "<If true>");
}

// Of "^/acme", "/acme", "^/acme.*" and "^/acme(/|$)".
std::optional<Reach> reach_of_regex(std::string_view regex) {
    if (has_regex_options()) return std::nullopt;
    if (regex.starts_with('^')) regex.remove_prefix(1);
    Reach out{Reach::Kind::kBegins, regex};
    for (const std::string_view end : {"(/|$)", "(?:/|$)", ".*$", ".*"}) {
        if (!out.path.ends_with(end)) continue;
        out.path.remove_suffix(end.size());
        if (end.ends_with(')')) out.kind = Reach::Kind::kBelow;
        break;
    }
    const bool is_plain = out.path.find_first_of(kRegexMarks) == std::string_view::npos;
    return is_plain ? std::optional(out) : std::nullopt;
}

// ---- sections that never apply --------------------------------------------------------------------------------------

// Whether some server is a forward proxy, where a section may name the URL that a client asks for.
bool is_forward_proxy() {
    return is_any_directive([](const ap_directive_t& d) {
        return equal_nocase(d.directive, "ProxyRequests") && d.args != nullptr && equal_nocase(trim(d.args), "On");
    });
}

// "/admin" of "https://www.example.com/admin".
std::string path_in_url(std::string_view url) {
    url.remove_prefix(url.find("://") + 3);
    return std::string(url.substr(std::min(url.find('/'), url.size())));
}

constexpr const char* kNoUrl =
    "it is compared with the path of the request; only at a forward proxy (ProxyRequests On) is that a whole URL: "
    "write ";

// Whether a pattern needs the "://" of a URL; false if that is not clear.
bool asks_for_url(std::string_view regex) {
    const std::size_t at = regex.find("://");
    if (at == regex.npos || regex.find_first_of("|[") < at || regex.find('(') < at) return false;
    const std::string_view rest = regex.substr(at + 3);
    return rest.find('|') == rest.npos && rest.find_first_of("?*{") != 0;
}

// Why httpd's path, which begins with '/', never begins as this one; "" if it may.
std::string never_absolute(const std::string& path) {
    if (path.find("://") == std::string::npos) return "paths begin with '/'";
    const std::string rest = path_in_url(path);
    return kNoUrl + (rest.empty() ? std::string("/") : rest) + ", in the <VirtualHost> of that name";
}

// The same for an escape in it.
std::string never_encoded(std::string_view path) {
    for (std::size_t at = path.find('%'); at != path.npos; at = path.find('%', at + 1)) {
        const std::string code(path.substr(at + 1, 2));
        const bool is_escape = code.size() == 2 && hex_digit(code[0]) >= 0 && hex_digit(code[1]) >= 0;
        // With AllowEncodedSlashes NoDecode, slashes stay as they are.
        if (is_escape && !equal_nocase(code, "2f")) {
            return "httpd decodes the path before it looks for sections: write the character instead of '%" + code +
                   "', in quotes if it is a blank";
        }
    }
    return "";
}

// Why httpd's path, decoded and normalised, never begins as this one; "" if it may.
std::string never_matches(const std::string& path) {
    if (path.starts_with('*')) return "";  // OPTIONS *
    if (!path.starts_with('/')) {
        const bool may_be_url = path.find(':') != std::string::npos && is_forward_proxy();
        return may_be_url ? "" : never_absolute(path);
    }
    if (path.find("//") != std::string::npos) return "httpd merges slashes before it looks for sections: write one";
    if (has_removed_segment(path))
        return "httpd removes '.' and '..' before it looks for sections: write the path without";
    if (path.find('=', std::min(path.find('?'), path.size())) != std::string::npos) {
        return "the query is no part of the path: write the path alone, and look at the query in an <If>";
    }
    return never_encoded(path);
}

// The same for a regular expression.
std::string never_fits(const GateSection& s) {
    if (is_forward_proxy()) return "";
    const bool has_slashes = equal_nocase(server_setting(s.server, "MergeSlashes"), "Off");
    if (!has_slashes && asks_for_url(s.path)) return std::string(kNoUrl) + "'^/', and the path behind it";
    if (std::string why = anchored_elsewhere(s.path); !why.empty()) return why;
    const std::string& prefix = s.literal_prefix;
    if (!prefix.starts_with('/') || (has_slashes && prefix.find("//") != std::string::npos)) return "";
    // The last segment may go on.
    const std::string folder = prefix.substr(0, prefix.rfind('/') + 1);
    return never_matches(has_removed_segment(prefix) && !has_removed_segment(folder) ? folder : prefix);
}

// Whether some folder or file has a path that begins so; true if that cannot be seen.
bool is_on_disk(const std::string& beginning) {
    const std::size_t slash = beginning.rfind('/');
    const std::string name = beginning.substr(slash + 1);
    std::error_code fault;
    const std::filesystem::path folder = beginning.substr(0, slash + 1);
    if (name.empty()) return std::filesystem::exists(folder, fault) || fault;
    std::filesystem::directory_iterator entries(folder, fault);
    if (fault) return fault != std::errc::no_such_file_or_directory && fault != std::errc::not_a_directory;
    for (; entries != std::filesystem::directory_iterator(); entries.increment(fault)) {
        if (fault || entries->path().filename().native().starts_with(name)) return true;
    }
    return false;
}

std::string no_folder(const std::string& path) {
    return "there is no folder " + in_quotes(path) + " now; a path of URLs stands in a <Location>";
}

// Calls `visit` for each URL in a directive, without a socket before it, and with whether it is a balancer's member.
void for_each_backend(const std::function<void(std::string_view url, bool is_member)>& visit) {
    constexpr std::string_view kProxy = "proxy:";  // of SetHandler
    for_every_directive([&](const ap_directive_t& d) {
        if (d.args == nullptr || d.directive[0] == '<') return;
        for (const std::string& word : config_words(d.args)) {
            std::string_view url = word;
            if (const std::size_t socket = url.find('|'); socket != url.npos) url.remove_prefix(socket + 1);
            if (starts_nocase(url, kProxy)) url.remove_prefix(kProxy.size());
            if (url.find("://") != url.npos) visit(url, equal_nocase(d.directive, "BalancerMember"));
        }
    });
}

// Why no backend has this URL: httpd compares a <Proxy> section, letter by letter, with the URL that the directive says
// which sends a request on; "" if one may.
std::string no_backend(const std::string& url) {
    if (url.starts_with('/')) {
        return "it is compared with the URL of the backend, like http://127.0.0.1:8080/: write a <Location>";
    }
    if (starts_nocase(url, "unix:")) return "the socket is no part of what it is compared with: write what follows '|'";
    bool may_be = url.find_first_of("*?[") != std::string::npos;
    std::string in_other_case, member;
    for_each_backend([&](std::string_view to, bool is_member) {
        // The literal part, before the first $1 or %{VARIABLE}: what they add may be the rest of `url`.
        const std::string_view literal = to.substr(0, to.find_first_of("$%"));
        const bool is_open = literal != to;
        if (is_member) {
            if (starts_nocase(to, url)) member = to;
        } else if (to.starts_with(url) || (is_open && std::string_view(url).starts_with(literal))) {
            may_be = true;
        } else if (starts_nocase(to, url) || (is_open && starts_nocase(url, literal))) {
            in_other_case = to;
        }
    });
    if (may_be) return "";
    if (!in_other_case.empty())
        return "it is compared letter by letter, and the directive says " + in_quotes(in_other_case);
    return member.empty() ? "" : "it is the URL of a member, and is compared with that of its balancer://";
}

// Why the section applies to no request now; "" if it may.
std::string why_never(const GateSection& s) {
    const std::string& prefix = s.literal_prefix;
    std::error_code fault;
    switch (s.kind) {
        case Kind::kLocation:
            return never_matches(s.path);
        case Kind::kLocationMatch:
            return never_fits(s);
        case Kind::kDirectory:
            // httpd puts a slash behind it.
            if (!s.is_literal() || std::filesystem::is_directory(s.path, fault)) return "";
            return fault == std::errc::permission_denied ? "" : no_folder(s.path);
        case Kind::kDirectoryMatch:
            return prefix.starts_with('/') && !is_on_disk(prefix) ? no_folder(prefix) : "";
        case Kind::kFiles: {
            const bool has_slash = (s.is_regex ? prefix : s.path).find('/') != std::string::npos;
            return has_slash ? "it is compared with the name of the file, which holds no '/': write a <Location>" : "";
        }
        case Kind::kOther:
            if (!starts_nocase(s.other, "<Proxy")) return "";
            return s.is_regex ? (prefix.starts_with('/') ? no_backend(prefix) : "") : no_backend(s.path);
        default:
            return "";
    }
}

// ---- sections that cover less than they seem to ---------------------------------------------------------------------

bool guards(const GateSection& s) { return is_enforced(*s.config) || s.config->has_provider; }

bool reads_as_regex(const std::string& path) {
    return path.ends_with('$') || path.find('|') != std::string::npos || path.find(".*") != std::string::npos ||
           path.find("[^") != std::string::npos;
}

// A <LocationMatch> for what a pattern fits, and all below.
std::string regex_for(std::string_view pattern) {
    const bool has_star = pattern.ends_with('*');
    while (pattern.ends_with('*')) pattern.remove_suffix(1);
    const bool is_open = has_star && !pattern.ends_with('/');
    while (pattern.ends_with('/')) pattern.remove_suffix(1);
    std::string out = "^";
    for (const char c : pattern) {
        const bool is_mark = kRegexMarks.find(c) != std::string_view::npos;
        if (c == '*') {
            out += "[^/]*";
        } else if (c == '?' || c == '^' || c == '\\') {
            out += "[^/]";
        } else {
            out += is_mark ? std::string{'[', c, ']'} : std::string(1, c);
        }
    }
    return "<LocationMatch \"" + out + (is_open ? "\">" : "(/|$)\">");
}

void check_wildcards(const GateSection& s, Findings& findings) {
    if (reads_as_regex(s.path)) {
        const bool is_open = s.path.find('|') != std::string::npos && s.path.find('(') == std::string::npos;
        warn(findings, s.where,
             s.title() +
                 " reads like a regular expression, but is compared as a path with wildcards: write "
                 "<LocationMatch \"^" +
                 (is_open ? "(" + s.path + ")" : s.path) + "\">");
        return;
    }
    if (is_literal_location(s) || !s.path.starts_with('/')) return;
    const bool has_class = s.path.find('[') != std::string::npos;
    warn(findings, s.where,
         s.title() +
             " covers no path below those that it fits (no wildcard fits a '/'): what is below is not behind "
             "this gate; write " +
             (has_class ? "a <LocationMatch> that ends with (/|$)" : regex_for(s.path)));
}

// The paths that a section with a '/' at its end would cover without that; nothing if it has none, or they are not
// known.
std::optional<std::string_view> without_slash(const GateSection& s) {
    std::string_view path = is_literal_location(s) ? std::string_view(s.path) : std::string_view();
    if (s.kind == Kind::kLocationMatch && s.literal_prefix.size() > 1 && s.path.ends_with('/')) path = s.path;
    if (!path.ends_with('/') || path.size() < 2) return std::nullopt;
    path.remove_suffix(1);
    return path;
}

// Whether the section may apply to this path, or to all paths that begin so.
bool may_have(const GateSection& s, std::string_view path, bool is_whole) {
    if (s.kind == Kind::kServer) return true;
    if (const auto reach = reach_of(s)) return is_whole ? reach->has(path) : reach->has_all(path);
    return s.kind != Kind::kLocationMatch || path.starts_with(s.literal_prefix);
}

// Backends and frameworks often serve /admin as /admin/.
void check_slash(const GateSection& s, const Sections& sections, Findings& findings) {
    const auto bare = without_slash(s);
    if (!bare) return;
    const bool is_literal = s.literal_prefix.size() + (s.is_regex ? 1 : 0) == s.path.size();
    const std::string_view prefix = s.literal_prefix;
    const std::string_view path = is_literal ? prefix.substr(0, prefix.size() - 1) : prefix;
    const bool is_guarded = std::any_of(sections.begin(), sections.end(), [&](const GateSection* other) {
        return other != &s && guards(*other) && may_have(*other, path, is_literal);
    });
    if (is_guarded) return;
    const std::string meant =
        s.is_regex ? "<LocationMatch \"" + std::string(*bare) + "(/|$)\">" : "<Location " + std::string(*bare) + ">";
    add_once(findings, Diagnostic::Severity::kWarning, s.where,
             s.title() +
                 " does not cover the path without the '/' at its end, which is behind no gate, and which a "
                 "backend may serve as the same: write " +
                 meant);
}

}  // namespace

bool is_literal_location(const GateSection& s) { return s.kind == Kind::kLocation && s.is_literal(); }

bool Reach::has(std::string_view one) const {
    if (kind == Kind::kFits) {
        return apr_fnmatch(std::string(path).c_str(), std::string(one).c_str(), APR_FNM_PATHNAME) == APR_SUCCESS;
    }
    return is_everything() || (kind == Kind::kBelow ? covers(path, one) : one.starts_with(path));
}

bool Reach::has_below(std::string_view one) const { return kind != Kind::kFits && has(one); }

bool Reach::has_all(std::string_view beginning) const {
    const bool is_within = path.ends_with('/') || beginning.size() > path.size();
    return is_everything() || (kind != Kind::kFits && has(beginning) && (kind == Kind::kBegins || is_within));
}

std::optional<Reach> reach_of(const GateSection& s) {
    if (is_literal_location(s)) return Reach{Reach::Kind::kBelow, s.path};
    if (is_always_true(s)) return Reach{Reach::Kind::kBelow, "/"};
    if (s.kind == Kind::kLocation) return Reach{Reach::Kind::kFits, s.path};
    return s.kind == Kind::kLocationMatch ? reach_of_regex(s.path) : std::nullopt;
}

bool includes(const Reach& reach, const GateSection& location) {
    return is_literal_location(location) ? reach.has(location.path) : reach.has_all(location.literal_prefix);
}

void check_reach(const server_rec* s, const Sections& sections, Findings& findings) {
    for (const GateSection* section : sections) {
        if (section->server != s) continue;
        const std::string never = why_never(*section);
        if (!never.empty()) {
            warn(findings, section->where, section->title() + " never applies: " + never);
        } else if (guards(*section)) {
            if (section->kind == Kind::kLocation) check_wildcards(*section, findings);
            check_slash(*section, sections, findings);
        }
    }
}

}  // namespace mtls::httpd
