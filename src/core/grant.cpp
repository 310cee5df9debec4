#include "mtls_authz/grant.hpp"

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kPartnerSegment = "%{partner}";
constexpr std::string_view kBelow = "/**";
constexpr std::size_t kLongestPath = 4096;

std::string quoted(std::string_view text) { return "'" + escape_for_log(text, 200) + "'"; }

std::optional<std::string> fault_of(std::string_view segment) {
    if (segment == "*" || segment == kPartnerSegment) return std::nullopt;
    if (segment == "." || segment == "..") return "holds a dot segment: write the path that is meant";
    if (segment.find("**") != std::string_view::npos) return "'**' stands at the end alone, as in /orders/**";
    if (segment.find('*') != std::string_view::npos) {
        return "'*' stands for one whole segment, as in /orders/*/items, never for a part of one";
    }
    if (segment.find("%{") != std::string_view::npos) {
        return "%{partner} stands for one whole segment, as in /partners/%{partner}/**; nothing else is known";
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
    if (segment.substr(0, segment.find(';')).empty()) return false;
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (segment[i] == '\\') return false;
        if (segment[i] != '%') continue;
        const std::string_view rest = segment.substr(i + 1);
        for (const std::string_view separator : {"2f", "5c", "252f", "255c"}) {
            if (begins_nocase(rest, separator)) return false;
        }
    }
    return true;
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
    const auto wrong = [text](const std::string& why) { return Error{"PATH " + quoted(text) + ": " + why}; };
    if (!text.starts_with('/')) return wrong("expected a path that begins with '/', like /orders/**");
    if (text.size() > kLongestPath) return wrong("longer than 4096 characters");
    PathPattern out;
    out.text_ = std::string(text);
    out.below_ = text.ends_with(kBelow);
    std::string_view rest = text.substr(1);
    if (out.below_) rest = text.substr(0, text.size() - kBelow.size());
    if (out.below_ && !rest.empty()) rest.remove_prefix(1);
    bool literal = true;
    out.literal_ = out.below_ ? text.size() - 2 : text.size();
    std::size_t at = 1;
    const bool nothing_before = out.below_ && text == kBelow;
    const auto parts = nothing_before ? std::vector<std::string_view>{} : split(rest, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string_view part = parts[i];
        const bool last = i + 1 == parts.size();
        if (part.empty() && (!last || out.below_)) return wrong("'//' never fits: httpd merges slashes");
        if (const auto fault = fault_of(part)) return wrong(*fault);
        const Kind kind = part == "*" ? Kind::kAny : part == kPartnerSegment ? Kind::kPartner : Kind::kLiteral;
        if (kind != Kind::kLiteral && literal) {
            out.literal_ = at;
            literal = false;
        }
        at += part.size() + 1;
        out.segments_.push_back({kind, kind == Kind::kLiteral ? std::string(part) : std::string()});
    }
    return out;
}

bool PathPattern::matches(std::string_view path, std::string_view partner) const {
    if (!path.starts_with('/')) return false;
    path.remove_prefix(1);
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const std::size_t end = path.find('/');
        const std::string_view segment = path.substr(0, end);
        const Segment& wanted = segments_[i];
        const bool fits = wanted.kind == Kind::kLiteral   ? segment == wanted.literal
                          : wanted.kind == Kind::kPartner ? segment == partner
                                                          : is_one_segment(segment);
        if (!fits) return false;
        const bool more = end != std::string_view::npos;
        const bool wants_more = i + 1 < segments_.size() || below_;
        if (more != wants_more) return false;
        if (more) path.remove_prefix(end + 1);
    }
    return true;
}

bool PathPattern::covers(const PathPattern& other) const {
    if (!below_ && other.below_) return false;
    if (below_ ? other.segments_.size() < segments_.size() : other.segments_.size() != segments_.size()) return false;
    // "/a/**" does not cover "/a".
    if (below_ && !other.below_ && other.segments_.size() == segments_.size() && !segments_.empty()) return false;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const Segment& own = segments_[i];
        const Segment& theirs = other.segments_[i];
        const bool same = own.kind == theirs.kind && own.literal == theirs.literal;
        const bool wider = own.kind == Kind::kAny && !(theirs.kind == Kind::kLiteral && theirs.literal.empty());
        if (!same && !wider) return false;
    }
    return true;
}

std::string Grant::text() const {
    std::string out = methods.text();
    for (const PathPattern& path : paths) out += " " + config_quote(path.text());
    if (!conditions.empty()) out += " if";
    for (const Selector& selector : conditions) out += " " + config_quote(selector.text());
    return out;
}

GrantAnswer find_grant(const std::vector<GrantedPath>& granted, std::string_view partner, std::string_view method,
                       std::string_view path, bool reaches_below) {
    GrantAnswer answer;
    for (const GrantedPath& candidate : granted) {
        if (!path.starts_with(candidate.path->literal_prefix())) continue;
        if (reaches_below && !candidate.path->reaches_below()) continue;
        if (!candidate.path->matches(path, partner)) continue;
        if (candidate.grant->methods.contains(method)) return {GrantAnswer::Kind::kGranted, candidate.grant};
        if (answer.grant == nullptr) answer = {GrantAnswer::Kind::kOtherMethod, candidate.grant};
    }
    return answer;
}

}  // namespace mtls
