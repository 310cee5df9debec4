// Grants: what a partner may do behind `MTLSAllow by-grant` and `Require mtls-grant`. They are part of the policy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/method_set.hpp"

namespace mtls {

// One PATH. Its segments are literals; `*` for one whole, non-empty segment; `%{partner}` for the partner's name;
// `%{cert:TYPE}` for the value of a certificate field (find_fields()); a trailing `/**` for all paths below. "/a/**"
// includes "/a/", not "/a"; "/a" does not include "/a/". Case-sensitive. GrantedPaths matches it with request paths.
class PathPattern {
public:
    // The result borrows `text`.
    static Result<PathPattern> parse(std::string_view text);
    // A copy whose certificate fields are parsed and stored in `arena`.
    PathPattern with_fields(Arena& arena) const;

    struct Segment {
        enum class Kind { kLiteral, kAny, kPartner, kField };
        Kind kind = Kind::kLiteral;
        std::string_view text;  // as written
    };
    // The text between slashes, without a trailing `/**`: "/" has one empty segment, "/**" has none.
    std::vector<Segment> segments() const;

    // The values of all `%{cert:TYPE}`, in order. An error if a field is missing, has several values, or has a value
    // that a backend could read as anything but one segment.
    Result<std::vector<std::string>> find_fields(const CertificateFacts& facts, const PathFacts& path) const;

    bool reaches_below() const { return below_; }
    // The longest literal prefix of all matching paths.
    std::string_view literal_prefix() const { return text_.substr(0, literal_); }
    std::string_view text() const { return text_; }
    // Whether every path that matches `other` also matches this pattern, as far as the texts show.
    bool covers(const PathPattern& other) const;

    // Whether a section may apply to a path that matches. With `is_whole` the section is the path `prefix` and all that
    // is below it; without, its paths begin with `prefix`, also in the middle of a segment.
    bool may_be_in(std::string_view prefix, bool is_whole) const;

    bool is_inside(const Bounds& in) const { return in.hold_all(text_, fields_) && literal_ <= text_.size(); }

private:
    std::vector<std::string_view> parts() const;

    Text text_;
    bool below_ = false;
    std::size_t literal_ = 0;
    Span<FieldName> fields_;
};

// One MTLSGrant directive of a policy.
struct Grant {
    MethodSet methods;
    Span<PathPattern> paths;
    Conditions conditions;  // must all hold for the certificate
    StoredWhere where;

    bool is_inside(const Bounds& in) const { return in.hold_all(paths, conditions, where); }
    std::string text() const;
};

// One path of a grant whose conditions hold for a certificate; borrows from the policy, except for the certificate's
// values.
struct GrantedPath {
    const Grant* grant;
    const PathPattern* path;
    std::vector<std::string> fields = {};  // from PathPattern::find_fields()
};

}  // namespace mtls
