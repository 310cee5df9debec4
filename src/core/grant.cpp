#include "mtls_authz/grant.hpp"

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kAnySegment = "*";
constexpr std::string_view kPartnerSegment = "%{partner}";
constexpr std::string_view kField = "%{cert:";  // TYPE}
constexpr std::string_view kBelow = "/**";
constexpr std::size_t kLongestPath = 4096;

std::string quoted(std::string_view text) { return "'" + escape_for_log(text, 200) + "'"; }

bool is_field(std::string_view segment) { return segment.starts_with(kField) && segment.ends_with('}'); }

// The certificate's field that such a segment names.
Result<FieldName> read_field(std::string_view segment, Arena& arena) {
    return FieldName::parse(segment.substr(kField.size(), segment.size() - kField.size() - 1), arena);
}

std::optional<std::string> fault_of(std::string_view segment) {
    if (segment == kAnySegment || segment == kPartnerSegment) return std::nullopt;
    if (is_field(segment)) {
        Arena arena;
        const auto field = read_field(segment, arena);
        return field.ok() ? std::nullopt : std::optional(field.error());
    }
    if (segment == "." || segment == "..") return "holds a dot segment: write the path that is meant";
    if (segment.find("**") != std::string_view::npos) return "'**' stands at the end alone, as in /orders/**";
    if (segment.find('*') != std::string_view::npos) {
        return "'*' stands for one whole segment, as in /orders/*/items, never for a part of one";
    }
    if (segment.find("%{") != std::string_view::npos) {
        return "%{partner} and %{cert:TYPE} stand for one whole segment, as in /partners/%{partner}/** and "
               "/devices/%{cert:CN}/**; nothing else is known";
    }
    for (const char c : segment) {
        if (c == '%') return "'%' never fits: paths are compared decoded; write the character itself";
        if (c == ';') return "';' begins a path parameter, which a grant cannot name";
        if (c == '?') return "'?' begins the query, which is no part of a path";
        if (c == '\\') return "'\\' is no separator";
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "holds a control character";
    }
    return std::nullopt;
}

bool begins_nocase(std::string_view text, std::string_view start) {
    return equal_nocase(text.substr(0, start.size()), start);
}

// Whether a backend reads this segment as one: not empty before its path parameters, and without what it may decode to
// a separator.
bool is_one_segment(std::string_view segment) {
    if (segment.empty() || segment.front() == ';') return false;
    for (; !segment.empty(); segment.remove_prefix(1)) {
        if (segment.front() == '\\') return false;
        if (segment.front() != '%') continue;
        for (const std::string_view separator : {"%2f", "%5c", "%252f", "%255c"}) {
            if (begins_nocase(segment, separator)) return false;
        }
    }
    return true;
}

// What of a certificate no backend reads as anything but one segment, whatever it decodes, cuts off or splits.
bool is_plain_segment(std::string_view value) {
    return !value.empty() && value != "." && value != ".." && std::none_of(value.begin(), value.end(), [](char c) {
        constexpr std::string_view kSpecial = "/\\%;?";
        return kSpecial.find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

// Where the segment that begins at `from` ends. Most are short.
std::size_t end_of_segment(std::string_view text, std::size_t from) {
    while (from < text.size() && text[from] != '/') ++from;
    return from;
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
    const auto wrong = [text](const std::string& why) { return Error{"PATH " + quoted(text) + ": " + why}; };
    if (!text.starts_with('/')) return wrong("expected a path that begins with '/', like /orders/**");
    if (text.size() > kLongestPath) return wrong("longer than 4096 characters");
    PathPattern out;
    out.text_ = text;
    out.below_ = text.ends_with(kBelow);
    bool literal = true;
    out.literal_ = out.below_ ? text.size() - 2 : text.size();
    std::size_t at = 1;
    const auto segments = out.segments();
    const auto parts = segments ? split(*segments, '/') : std::vector<std::string_view>{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string_view part = parts[i];
        const bool last = i + 1 == parts.size();
        if (part.empty() && (!last || out.below_)) return wrong("'//' never fits: httpd merges slashes");
        if (const auto fault = fault_of(part)) return wrong(*fault);
        if ((part == kAnySegment || part == kPartnerSegment || is_field(part)) && literal) {
            out.literal_ = at;
            literal = false;
        }
        at += part.size() + 1;
    }
    return out;
}

// Between the first '/' and what stands for all below; "" is one empty segment, nothing none.
std::optional<std::string_view> PathPattern::segments() const {
    if (!below_) return text_.substr(1);
    if (text_ == kBelow) return std::nullopt;
    return text_.substr(1, text_.size() - kBelow.size() - 1);
}

PathPattern PathPattern::with_fields(Arena& arena) const {
    std::vector<FieldName> fields;
    for (const std::string_view segment : split(segments().value_or(""), '/')) {
        if (is_field(segment)) fields.push_back(read_field(segment, arena).value());
    }
    PathPattern out = *this;
    out.fields_ = arena.keep(fields);
    return out;
}

Result<std::vector<std::string>> PathPattern::find_fields(const CertificateFacts& facts, const PathFacts& path) const {
    std::vector<std::string> out;
    for (const FieldName& field : fields_) {
        auto value = field.value(facts, path);
        if (!value) return Error{std::string(field.text()) + " does not occur once in the certificate"};
        if (!is_plain_segment(*value)) {
            return Error{std::string(field.text()) + " is " + quoted(*value) +
                         ", which may be read as something else than a segment"};
        }
        out.push_back(std::move(*value));
    }
    return out;
}

bool PathPattern::matches(std::string_view path, std::string_view partner, std::span<const std::string> fields) const {
    if (!path.starts_with(literal_prefix())) return false;
    if (is_literal()) return below_ || path.size() == literal_;
    const std::string_view wanted = below_ ? text_.substr(0, text_.size() - kBelow.size()) : text_.view();
    for (std::size_t from = literal_, at = literal_;;) {
        const std::size_t wanted_end = end_of_segment(wanted, from), end = end_of_segment(path, at);
        const std::string_view segment = path.substr(at, end - at);
        const std::string_view pattern = wanted.substr(from, wanted_end - from);
        // No literal segment holds such a character.
        const char kind = pattern.empty() ? '/' : pattern.front();
        bool fits = segment == pattern;
        if (kind == kAnySegment.front()) {
            fits = is_one_segment(segment);
        } else if (pattern == kPartnerSegment) {
            fits = segment == partner;
        } else if (kind == kField.front()) {
            fits = !fields.empty() && segment == fields.front();
            fields = fields.subspan(fields.empty() ? 0 : 1);
        }
        const bool is_last = wanted_end == wanted.size();
        const bool more = end != path.size();
        if (!fits || more != (!is_last || below_)) return false;
        if (is_last) return true;
        from = wanted_end + 1;
        at = end + 1;
    }
}

bool PathPattern::covers(const PathPattern& other) const {
    if (!below_ && other.below_) return false;
    const auto parts = [](const PathPattern& pattern) {
        const auto segments = pattern.segments();
        return segments ? split(*segments, '/') : std::vector<std::string_view>{};
    };
    const auto own = parts(*this);
    const auto theirs = parts(other);
    if (below_ ? theirs.size() < own.size() : theirs.size() != own.size()) return false;
    // "/a/**" does not cover "/a".
    if (below_ && !other.below_ && theirs.size() == own.size() && !own.empty()) return false;
    for (std::size_t i = 0; i < own.size(); ++i) {
        if (own[i] != theirs[i] && (own[i] != kAnySegment || theirs[i].empty())) return false;
    }
    return true;
}

std::string Grant::text() const {
    std::string out = methods.text();
    for (const PathPattern& path : paths) out += " " + config_quote(path.text());
    if (!conditions.empty()) out += " if" + conditions.text();
    return out;
}

GrantAnswer find_grant(const std::vector<GrantedPath>& granted, std::string_view partner, std::string_view method,
                       std::string_view path, bool reaches_below) {
    GrantAnswer answer;
    for (const GrantedPath& candidate : granted) {
        if (reaches_below && !candidate.path->reaches_below()) continue;
        if (!candidate.path->matches(path, partner, candidate.fields)) continue;
        if (candidate.grant->methods.contains(method))
            return {GrantAnswer::Kind::kGranted, candidate.grant, &candidate};
        if (answer.grant == nullptr) answer = {GrantAnswer::Kind::kOtherMethod, candidate.grant, &candidate};
    }
    return answer;
}

}  // namespace mtls
