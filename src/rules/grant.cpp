#include "mtls_authz/rules/grant.hpp"

#include <algorithm>

#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kAnySegment = "*";
constexpr std::string_view kPartnerSegment = "%{partner}";
constexpr std::string_view kField = "%{cert:";  // followed by TYPE}
constexpr std::string_view kBelow = "/**";
constexpr std::size_t kLongestPath = 4096;

bool is_field(std::string_view segment) { return segment.starts_with(kField) && segment.ends_with('}'); }

// The certificate field that a `%{cert:TYPE}` segment names.
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
        if (is_ascii_control(c)) return "holds a control character";
    }
    return std::nullopt;
}

// Whether every backend reads this certificate value as exactly one segment, whatever it decodes, cuts off or splits.
bool is_plain_segment(std::string_view value) {
    return !value.empty() && value != "." && value != ".." && std::none_of(value.begin(), value.end(), [](char c) {
        constexpr std::string_view kSpecial = "/\\%;?";
        return kSpecial.find(c) != std::string_view::npos || is_ascii_control(c);
    });
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
    const auto wrong = [text](const std::string& why) { return Error{"PATH " + in_quotes(text) + ": " + why}; };
    if (!text.starts_with('/')) return wrong("expected a path that begins with '/', like /orders/**");
    if (text.size() > kLongestPath) return wrong("longer than 4096 characters");
    PathPattern out;
    out.text_ = text;
    out.below_ = text.ends_with(kBelow);
    bool literal = true;
    out.literal_ = out.below_ ? text.size() - 2 : text.size();
    std::size_t at = 1;
    const auto parts = out.parts();
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

// The text between slashes; none for "/**".
std::vector<std::string_view> PathPattern::parts() const {
    if (below_ && text_ == kBelow) return {};
    const std::size_t end = text_.size() - (below_ ? kBelow.size() : 0);
    return split(text_.substr(1, end - 1), '/');
}

std::vector<PathPattern::Segment> PathPattern::segments() const {
    using Kind = Segment::Kind;
    std::vector<Segment> out;
    for (const std::string_view part : parts()) {
        const Kind kind = part == kAnySegment       ? Kind::kAny
                          : part == kPartnerSegment ? Kind::kPartner
                          : is_field(part)          ? Kind::kField
                                                    : Kind::kLiteral;
        out.push_back({kind, part});
    }
    return out;
}

PathPattern PathPattern::with_fields(Arena& arena) const {
    std::vector<FieldName> fields;
    for (const std::string_view segment : parts()) {
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
            return Error{std::string(field.text()) + " is " + in_quotes(*value) +
                         ", which may be read as something else than a segment"};
        }
        out.push_back(std::move(*value));
    }
    return out;
}

bool PathPattern::covers(const PathPattern& other) const {
    if (!below_ && other.below_) return false;
    const auto own = parts();
    const auto theirs = other.parts();
    if (below_ ? theirs.size() < own.size() : theirs.size() != own.size()) return false;
    // "/a/**" does not cover "/a".
    if (below_ && !other.below_ && theirs.size() == own.size() && !own.empty()) return false;
    for (std::size_t i = 0; i < own.size(); ++i) {
        if (own[i] != theirs[i] && (own[i] != kAnySegment || theirs[i].empty())) return false;
    }
    return true;
}

bool PathPattern::may_be_in(std::string_view prefix, bool is_whole) const {
    const std::string_view begin = literal_prefix();
    const bool is_over = is_whole ? mtls::covers(prefix, begin) : begin.starts_with(prefix);
    const bool is_literal = !below_ && literal_ == text_.size();
    return is_over || (!is_literal && prefix.starts_with(begin));
}

std::string Grant::text() const {
    std::string out = methods.text();
    for (const PathPattern& path : paths) out += " " + config_quote(path.text());
    if (!conditions.empty()) out += " if" + conditions.text();
    return out;
}

}  // namespace mtls
