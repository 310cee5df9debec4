// Grants: what a partner may do behind `MTLSAllow by-grant` and `Require mtls-grant`. They are part of the policy, and
// change with it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/conditions.hpp"
#include "mtls_authz/method_set.hpp"

namespace mtls {

// One PATH: literal segments; `*` for one whole, non-empty segment; `%{partner}` for one that is the partner's name;
// `%{cert:TYPE}` for one that is that field of the certificate, as find_fields() has it; a trailing `/**` for all
// below. "/a/**" includes "/a/", not "/a"; "/a" is not "/a/". Case-sensitive.
class PathPattern {
public:
    // Borrows `text`.
    static Result<PathPattern> parse(std::string_view text);
    // The same pattern with what find_fields() looks for, which `arena` keeps.
    PathPattern with_fields(Arena& arena) const;

    // The same pattern, borrowing an equal text from elsewhere; without what find_fields() looks for.
    PathPattern borrowing(std::string_view text) const {
        PathPattern out = *this;
        out.text_ = text;
        out.fields_ = {};
        return out;
    }

    // `path`: httpd's decoded and normalised path. One that holds what a backend may read as a further segment
    // (`\`, `%2F`, `%5C`, also encoded twice) never fits `*`, nor does a segment that is empty before its `;`.
    // `fields`: of the certificate, as find_fields() has them; without them nothing fits that asks for one.
    bool matches(std::string_view path, std::string_view partner, std::span<const std::string> fields = {}) const;

    // The values of its `%{cert:TYPE}`, in their order. An error says why the certificate has none that can stand in a
    // path: the field is missing, or there are several, or it could be read as anything but one segment.
    Result<std::vector<std::string>> find_fields(const CertificateFacts& facts, const PathFacts& path) const;

    bool reaches_below() const { return below_; }
    // What every path that fits begins with.
    std::string_view literal_prefix() const { return text_.substr(0, literal_); }
    std::string_view text() const { return text_; }
    // Whether every path that fits `other` fits this one, as far as the text tells.
    bool covers(const PathPattern& other) const;

    bool lies_in(const Bounds& in) const { return in.hold_all(text_, fields_) && literal_ <= text_.size(); }

private:
    std::optional<std::string_view> segments() const;
    bool is_literal() const { return literal_ == (below_ ? text_.size() - 2 : text_.size()); }

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

    bool lies_in(const Bounds& in) const { return in.hold_all(paths, conditions, where); }
    std::string text() const;
};

// One path of a grant that holds for a certificate; borrowed from the policy, but for what the certificate says.
struct GrantedPath {
    const Grant* grant;
    const PathPattern* path;
    std::vector<std::string> fields = {};  // as PathPattern::find_fields() has them
};

struct GrantAnswer {
    enum class Kind { kNo, kOtherMethod, kGranted };
    Kind kind = Kind::kNo;
    const Grant* grant = nullptr;       // that decided, if one did
    const GrantedPath* path = nullptr;  // of it, that fits; borrowed from `granted`
};

// Longest literal beginning first; any that fits suffices. `reaches_below`: the method acts on everything below `path`
// too (WebDAV), so only a pattern that reaches below grants it.
GrantAnswer find_grant(const std::vector<GrantedPath>& granted, std::string_view partner, std::string_view method,
                       std::string_view path, bool reaches_below);

}  // namespace mtls
