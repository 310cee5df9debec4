#include "mtls_authz/rules/capture_scope.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kNamed[] = {"(?<", "(?P<"};
constexpr std::string_view kMeta = "\\.[]()*+?{}|$^";

bool is_quantifier(char c) { return c == '*' || c == '+' || c == '?' || c == '{'; }

// Removes tokens from the front of an expression, as long as only a literal slash can match a slash.
class Scanner {
public:
    explicit Scanner(std::string_view regex) : rest_(regex) {}
    std::string_view rest() const { return rest_; }

    // One token outside of all groups, with its quantifier.
    bool take_token() {
        if (take("/")) return rest_.empty() || !is_quantifier(rest_.front());
        return take_within_segment();
    }

private:
    std::string_view rest_;

    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    bool take_within_segment() {
        const bool taken = take("(")    ? take_group()
                           : take("[")  ? take_class()
                           : take("\\") ? take_escape()
                                        : take_literal();
        return taken && take_quantifiers();
    }

    bool take_literal() {
        if (rest_.empty() || rest_.front() == '/' || kMeta.find(rest_.front()) != std::string_view::npos) return false;
        rest_.remove_prefix(1);
        return true;
    }

    // Accepts \w, \d and escaped punctuation; not \W, \b, \1, \x2f.
    bool take_escape() {
        if (rest_.empty() || rest_.front() == '/') return false;
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c == 'w' || c == 'd' || !is_alnum(c);
    }

    // After the opening bracket. Rejects named classes, and ranges other than of letters and digits.
    bool take_class() {
        const bool negated = take("^");
        bool has_slash = false;
        for (bool first = true; first || !take("]"); first = false) {
            if (take("/") || take("\\/")) {
                has_slash = true;
            } else if (!take_range() && !take_of_class()) {
                return false;
            }
        }
        return negated == has_slash;
    }

    bool take_range() {
        const bool is_range = rest_.size() > 2 && rest_[1] == '-' && is_alnum(rest_[0]) && is_alnum(rest_[2]);
        if (is_range) rest_.remove_prefix(3);
        return is_range;
    }

    bool take_of_class() {
        const bool begins_range = rest_.size() > 2 && rest_[1] == '-' && rest_[2] != ']';
        if (rest_.empty() || rest_.front() == '[' || begins_range) return false;
        if (take("\\")) return take_escape();
        rest_.remove_prefix(1);
        return true;
    }

    // After the opening parenthesis.
    bool take_group() {
        if (take("?<") || take("?P<")) {
            if (!take_name()) return false;
        } else if (!take("?:") && (rest_.starts_with('?') || rest_.starts_with('*'))) {
            return false;
        }
        while (!take(")")) {
            if (!take("|") && !take_within_segment()) return false;
        }
        return true;
    }

    // Rejects lookbehinds.
    bool take_name() {
        const std::size_t size = std::min(rest_.find_first_of("=!>"), rest_.size());
        rest_.remove_prefix(size);
        return take(">");
    }

    bool take_quantifiers() {
        while (!rest_.empty() && is_quantifier(rest_.front())) {
            const std::size_t end = rest_.front() == '{' ? rest_.find_first_not_of("0123456789,", 1) : 0;
            if (end == std::string_view::npos || (end > 0 && rest_[end] != '}')) return false;
            rest_.remove_prefix(end + 1);
        }
        return true;
    }
};

bool has_named_group(std::string_view regex) {
    return std::any_of(std::begin(kNamed), std::end(kNamed),
                       [regex](std::string_view start) { return regex.find(start) != std::string_view::npos; });
}

// The end of the class that begins at `open`; npos if uncertain.
std::size_t end_of_class(std::string_view regex, std::size_t open) {
    const std::size_t first = open + (regex.substr(open + 1).starts_with('^') ? 2 : 1);
    const std::size_t end = regex.find_first_of("[]\\", first);
    return end != std::string_view::npos && end > first && regex[end] == ']' ? end : std::string_view::npos;
}

// Whether nothing in `tail` can undo an earlier match: no alternatives or references.
bool is_harmless(std::string_view tail) {
    int depth = 0;
    for (std::size_t i = 0; i < tail.size(); ++i) {
        const std::string_view here = tail.substr(i);
        if (here.starts_with("(*") || (here.starts_with("(?") && !here.starts_with("(?:"))) return false;
        if (here.starts_with('|') && depth == 0) return false;
        if (here.starts_with('\\') && (++i == tail.size() || is_alnum(tail[i]))) return false;
        if (here.starts_with('[')) i = end_of_class(tail, i);
        if (i == std::string_view::npos) return false;
        depth += here.starts_with('(') ? 1 : here.starts_with(')') ? -1 : 0;
    }
    return true;
}

// Whether the rest ends the expression, or the segment.
bool ends_segment(std::string_view rest) {
    constexpr std::string_view kWhole[] = {"", "$", "/?", "/?$", "(/|$)", "(?:/|$)", "(/.*)?$", "(?:/.*)?$"};
    if (std::find(std::begin(kWhole), std::end(kWhole), rest) != std::end(kWhole)) return true;
    const bool is_slash = rest.starts_with('/') && (rest.size() == 1 || !is_quantifier(rest[1]));
    return is_slash && is_harmless(rest);
}

}  // namespace

bool captures_the_same_below(std::string_view regex) {
    if (!regex.starts_with('^')) return false;
    Scanner scanner(regex.substr(1));
    while (has_named_group(scanner.rest()) || !ends_segment(scanner.rest())) {
        if (!scanner.take_token()) return false;
    }
    return true;
}

}  // namespace mtls
