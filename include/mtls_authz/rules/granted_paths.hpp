// Matches a path with all grants of one certificate in a single walk of the path.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/rules/grant.hpp"

namespace mtls {

// The parts of a request that a gate checks.
struct RequestLine {
    std::string_view method;
    std::string_view path;       // as httpd decoded and normalised it; empty if there is none
    bool reaches_below = false;  // the method also acts on everything below the path (WebDAV)
};

struct GrantAnswer {
    enum class Kind { kNo, kOtherMethod, kGranted };
    Kind kind = Kind::kNo;
    const GrantedPath* path = nullptr;  // the path that decided, an element of all(); null for kNo
};

// A tree of path segments, built once for an identification; `%{partner}` and `%{cert:TYPE}` are literal segments in
// it.
class GrantedPaths {
public:
    GrantedPaths() = default;
    // `granted` and `partner` (its name) borrow from the policy.
    GrantedPaths(std::vector<GrantedPath> granted, std::string_view partner);
    GrantedPaths(GrantedPaths&&) = default;
    GrantedPaths& operator=(GrantedPaths&&) = default;

    // Granted if any path matches; the result is the one with the longest literal prefix. If the method acts on
    // everything below, only patterns with `/**` match.
    GrantAnswer find(const RequestLine& line) const;

    // Sorted by the length of the literal prefix, longest first.
    const std::vector<GrantedPath>& all() const { return all_; }

private:
    using Index = std::uint32_t;  // index into all_ or nodes_
    static constexpr Index kNone = ~Index{0};
    struct Child {
        std::uint64_t hash;  // hash of `segment`
        std::string_view segment;
        Index node;
    };
    struct Node {
        std::vector<Child> children;  // sorted by hash
        Index any = kNone;            // child for `*`
        std::vector<Index> here;      // patterns that end at this node, ascending
        std::vector<Index> below;     // patterns that end with `/**` after this node, ascending
    };
    struct Walk;

    Index child_of(const Node& node, std::string_view segment) const;
    void add(Index pattern, std::string_view partner);

    std::vector<GrantedPath> all_;
    std::vector<Node> nodes_;  // the first is the root, after the first '/'
};

}  // namespace mtls
