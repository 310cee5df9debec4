#include "httpd/config/section_regex.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "httpd/config/config_tree.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

// The end of what begins at `at`: a class, an escaped character, or one character.
std::size_t end_of_atom(std::string_view regex, std::size_t at) {
    if (regex[at] == '\\') return std::min(at + 2, regex.size());
    if (regex[at] != '[') return at + 1;
    std::size_t end = at + 1;
    if (regex.substr(end).starts_with('^')) ++end;
    if (regex.substr(end).starts_with(']')) ++end;  // a member of the class
    while (end < regex.size() && regex[end] != ']') end += regex[end] == '\\' ? 2 : 1;
    return std::min(end + 1, regex.size());
}

// The alternatives outside of groups, and where the first group ends.
struct Alternatives {
    std::vector<std::string_view> all;
    std::size_t end_of_group = 0;

    explicit Alternatives(std::string_view regex) {
        int depth = 0;
        std::size_t begin = 0;
        for (std::size_t at = 0; at < regex.size(); at = end_of_atom(regex, at)) {
            if (regex[at] == '(') ++depth;
            if (regex[at] == ')' && --depth == 0 && end_of_group == 0) end_of_group = at + 1;
            if (regex[at] != '|' || depth != 0) continue;
            all.push_back(regex.substr(begin, at - begin));
            begin = at + 1;
        }
        all.push_back(regex.substr(std::min(begin, regex.size())));
    }
};

bool is_optional(std::string_view rest) {
    return !rest.empty() && std::string_view("?*{").find(rest.front()) != std::string_view::npos;
}

// Whether a class may have '/' as a member, or the '*' of OPTIONS; true if that cannot be seen.
bool may_have_slash(std::string_view members) {
    const bool is_negated = members.starts_with('^');
    if (is_negated) return members.find('/') == std::string_view::npos;
    if (members.find_first_of("/*\\[") != std::string_view::npos) return true;
    for (std::size_t i = 1; i + 1 < members.size(); ++i) {
        if (members[i] == '-' && members[i - 1] <= '/' && members[i + 1] >= '/') return true;
    }
    return false;
}

bool may_begin_with_slash(std::string_view regex, bool is_anchored);

// The same for the group at the beginning.
bool may_group_begin_with_slash(std::string_view regex, bool is_anchored) {
    const std::size_t end = Alternatives(regex).end_of_group;
    if (end == 0 || is_optional(regex.substr(end))) return true;
    std::string_view inner = regex.substr(1, end - 2);
    if (inner.starts_with("?:")) {
        inner.remove_prefix(2);
    } else if (inner.starts_with("?<") || inner.starts_with("?P<")) {
        const bool is_lookbehind = inner.starts_with("?<=") || inner.starts_with("?<!");
        if (is_lookbehind || inner.find('>') == inner.npos) return true;
        inner.remove_prefix(inner.find('>') + 1);
    } else if (inner.starts_with('?') || inner.starts_with('*')) {
        return true;
    }
    return may_begin_with_slash(inner, is_anchored);
}

bool may_alternative_begin_with_slash(std::string_view regex, bool is_anchored) {
    for (const std::string_view options : {"(?i)", "(?s)", "(?is)", "(?si)"}) {
        if (regex.starts_with(options)) regex.remove_prefix(options.size());
    }
    while (regex.starts_with('^') || regex.starts_with("\\A")) {
        regex.remove_prefix(regex.front() == '^' ? 1 : 2);
        is_anchored = true;
    }
    if (regex.starts_with('(')) return may_group_begin_with_slash(regex, is_anchored);
    if (!is_anchored || regex.empty()) return true;
    const std::size_t end = end_of_atom(regex, 0);
    if (is_optional(regex.substr(end))) return true;
    const char last = regex[end - 1];
    if (regex.front() == '[') return last != ']' || may_have_slash(regex.substr(1, end - 2));
    const bool is_escaped = regex.front() == '\\';
    const bool is_literal = is_escaped ? end == 2 && !is_alnum(last) : kRegexMarks.find(last) == kRegexMarks.npos;
    return !is_literal || last == '/' || last == '*';  // OPTIONS * has that for a path
}

bool may_begin_with_slash(std::string_view regex, bool is_anchored) {
    const auto all = Alternatives(regex).all;
    return std::any_of(all.begin(), all.end(), [is_anchored](std::string_view one) {
        return may_alternative_begin_with_slash(one, is_anchored);
    });
}

}  // namespace

std::string anchored_elsewhere(const std::string& regex) {
    for (const char* unclear : {"(?#", "\\Q", "#"}) {
        if (regex.find(unclear) != std::string::npos) return "";
    }
    if (has_regex_options() || may_begin_with_slash(regex, false)) return "";
    const bool is_plain = regex.starts_with('^') && regex.size() > 1 && is_alnum(regex[1]) &&
                          regex.find('|') == std::string::npos && regex.find("://") == std::string::npos;
    return "it fits the beginning of the path, which is always a '/': write " +
           (is_plain ? "<LocationMatch \"^/" + regex.substr(1) + "\">" : "'^/', and the path behind it");
}

}  // namespace mtls::httpd
