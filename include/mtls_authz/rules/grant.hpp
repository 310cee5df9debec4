// Grants: what a partner may do behind `MTLSAllow by-grant` and `Require mtls-grant`. They are part of the policy, and
// change with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/method_set.hpp"

namespace mtls {

// One PATH: literal segments; `*` for one whole, non-empty segment; `%{partner}` for one that is the partner's name;
// `%{cert:TYPE}` for one that is that field of the certificate, as find_fields() has it; a trailing `/**` for all
// below. "/a/**" includes "/a/", not "/a"; "/a" is not "/a/". Case-sensitive. GrantedPaths compares it with paths.
class PathPattern {
public:
    // Borrows `text`.
    static Result<PathPattern> parse(std::string_view text);
    // The same pattern with what find_fields() looks for, which `arena` keeps.
    PathPattern with_fields(Arena& arena) const;

    struct Segment {
        enum class Kind { kLiteral, kAny, kPartner, kField };
        Kind kind = Kind::kLiteral;
        std::string_view text;  // as written
    };
    // Between slashes, without a trailing `/**`: the one segment of "/" is empty, and "/**" has none.
    std::vector<Segment> segments() const;

    // The values of its `%{cert:TYPE}`, in their order. An error says why the certificate has none that can stand in a
    // path: the field is missing, or there are several, or it could be read as anything but one segment.
    Result<std::vector<std::string>> find_fields(const CertificateFacts& facts, const PathFacts& path) const;

    bool reaches_below() const { return below_; }
    // What every path that fits begins with.
    std::string_view literal_prefix() const { return text_.substr(0, literal_); }
    std::string_view text() const { return text_; }
    // Whether every path that fits `other` fits this one, as far as the text tells.
    bool covers(const PathPattern& other) const;

    bool is_inside(const Bounds& in) const { return in.hold_all(text_, fields_) && literal_ <= text_.size(); }

private:
    std::vector<std::string_view> parts() const;

    Text text_;
    bool below_ = false;
    std::size_t literal_ = 0;
    Span<FieldName> fields_;
};

// One MTLSGrant line of a policy.
struct Grant {
    MethodSet methods;
    Span<PathPattern> paths;
    Conditions conditions;  // all must hold for this certificate
    Place where;

    bool is_inside(const Bounds& in) const { return in.hold_all(paths, conditions, where); }
    std::string text() const;
};

// One path of a grant that holds for a certificate; borrowed from the policy, but for what the certificate says.
struct GrantedPath {
    const Grant* grant;
    const PathPattern* path;
    std::vector<std::string> fields = {};  // as PathPattern::find_fields() has them
};

}  // namespace mtls
