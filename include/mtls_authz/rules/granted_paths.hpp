// What the grants of one certificate say about a path: found by one walk of the path, however many grants there are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/rules/grant.hpp"

namespace mtls {

// What of a request a gate asks about.
struct RequestLine {
    std::string_view method;
    std::string_view path;       // as httpd decoded and normalised it; empty where there is none
    bool reaches_below = false;  // the method acts on everything below the path too (WebDAV)
};

struct GrantAnswer {
    enum class Kind { kNo, kOtherMethod, kGranted };
    Kind kind = Kind::kNo;
    const GrantedPath* path = nullptr;  // that decided, if one did; of the GrantedPaths that were asked
};

// A tree of path segments, built once per connection: `%{partner}` and `%{cert:TYPE}` are literal segments in it.
class GrantedPaths {
public:
    GrantedPaths() = default;
    // `granted` borrows from the policy, and so does `partner`, its name.
    GrantedPaths(std::vector<GrantedPath> granted, std::string_view partner);
    GrantedPaths(GrantedPaths&&) = default;
    GrantedPaths& operator=(GrantedPaths&&) = default;

    // Any path that fits suffices; the one with the longest literal beginning is named. Where the method acts on
    // everything below, only a pattern that reaches below counts.
    GrantAnswer find(const RequestLine& line) const;

    // Longest literal beginning first.
    const std::vector<GrantedPath>& all() const { return all_; }

private:
    using Index = std::uint32_t;  // into all_ or nodes_
    static constexpr Index kNone = ~Index{0};
    struct Child {
        std::uint64_t hash;  // of its segment
        std::string_view segment;
        Index node;
    };
    struct Node {
        std::vector<Child> children;  // sorted by hash
        Index any = kNone;            // behind `*`
        std::vector<Index> here;      // patterns that end with this segment, ascending
        std::vector<Index> below;     // patterns that end with `/**` behind it, ascending
    };
    struct Walk;

    Index child_of(const Node& node, std::string_view segment) const;
    void add(Index pattern, std::string_view partner);

    std::vector<GrantedPath> all_;
    std::vector<Node> nodes_;  // the first is the root: behind the first '/'
};

}  // namespace mtls
