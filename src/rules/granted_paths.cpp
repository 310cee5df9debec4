#include "mtls_authz/rules/granted_paths.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// Whether every backend reads this as one segment: not empty before its path parameters, and without sequences that it
// may decode to a separator.
bool is_one_segment(std::string_view segment) {
    if (segment.empty() || segment.front() == ';') return false;
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (segment[i] == '\\') return false;
        if (segment[i] != '%') continue;
        for (const std::string_view separator : {"%2f", "%5c", "%252f", "%255c"}) {
            if (starts_nocase(segment.substr(i), separator)) return false;
        }
    }
    return true;
}

// FNV-1a: with many children, hashes are compared before texts.
std::uint64_t hash_of(std::string_view segment) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : segment) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

// The segment that begins at `from`. A loop, because most segments are short.
std::string_view segment_at(std::string_view path, std::size_t from) {
    std::size_t end = from;
    while (end < path.size() && path[end] != '/') ++end;
    return path.substr(from, end - from);
}

}  // namespace

GrantedPaths::GrantedPaths(std::vector<GrantedPath> granted, std::string_view partner) : all_(std::move(granted)) {
    std::stable_sort(all_.begin(), all_.end(), [](const GrantedPath& a, const GrantedPath& b) {
        return a.path->literal_prefix().size() > b.path->literal_prefix().size();
    });
    nodes_.emplace_back();
    for (std::size_t i = 0; i < all_.size(); ++i) add(static_cast<Index>(i), partner);
}

void GrantedPaths::add(Index pattern, std::string_view partner) {
    using Kind = PathPattern::Segment::Kind;
    const GrantedPath& granted = all_[pattern];
    auto field = granted.fields.begin();
    Index at = 0;
    const auto make_node = [this] {
        nodes_.emplace_back();
        return static_cast<Index>(nodes_.size() - 1);
    };
    for (const PathPattern::Segment& segment : granted.path->segments()) {
        if (segment.kind == Kind::kAny) {
            if (nodes_[at].any == kNone) {
                const Index next = make_node();
                nodes_[at].any = next;
            }
            at = nodes_[at].any;
            continue;
        }
        if (segment.kind == Kind::kField && field == granted.fields.end()) return;
        const std::string_view text = segment.kind == Kind::kPartner ? partner
                                      : segment.kind == Kind::kField ? std::string_view(*field++)
                                                                     : segment.text;
        Index next = child_of(nodes_[at], text);
        if (next == kNone) {
            next = make_node();
            auto& children = nodes_[at].children;
            const std::uint64_t own = hash_of(text);
            const auto place = std::lower_bound(children.begin(), children.end(), own,
                                                [](const Child& c, std::uint64_t hash) { return c.hash < hash; });
            children.insert(place, {own, text, next});
        }
        at = next;
    }
    (granted.path->reaches_below() ? nodes_[at].below : nodes_[at].here).push_back(pattern);
}

GrantedPaths::Index GrantedPaths::child_of(const Node& node, std::string_view segment) const {
    const auto& children = node.children;
    constexpr std::size_t kFew = 4;
    if (children.size() <= kFew) {
        for (const Child& child : children) {
            if (child.segment == segment) return child.node;
        }
        return kNone;
    }
    const std::uint64_t wanted = hash_of(segment);
    auto at = std::lower_bound(children.begin(), children.end(), wanted,
                               [](const Child& c, std::uint64_t hash) { return c.hash < hash; });
    for (; at != children.end() && at->hash == wanted; ++at) {
        if (at->segment == segment) return at->node;
    }
    return kNone;
}

// Visits each node at most once, because a tree has one way to each node.
struct GrantedPaths::Walk {
    const GrantedPaths& grants;
    const RequestLine& line;
    Index granted = kNone;  // the first matching pattern that allows the method
    Index other = kNone;    // the first matching pattern that does not

    void take(const std::vector<Index>& patterns) {
        for (const Index i : patterns) {
            if (i > granted) return;
            if (grants.all_[i].grant->methods.contains(line.method)) {
                granted = i;
                return;
            }
            other = std::min(other, i);
        }
    }

    // `node`: for all segments before `from`.
    void visit(Index node, std::size_t from) {
        const std::string_view path = line.path;
        while (true) {
            const Node& here = grants.nodes_[node];
            take(here.below);
            const std::string_view segment = segment_at(path, from);
            const std::size_t end = from + segment.size();
            Index next = grants.child_of(here, segment);
            const Index any = here.any != kNone && is_one_segment(segment) ? here.any : kNone;
            if (end == path.size()) {
                if (next != kNone) arrive(next);
                if (any != kNone) arrive(any);
                return;
            }
            if (next != kNone && any != kNone) visit(any, end + 1);
            next = next != kNone ? next : any;
            if (next == kNone) return;
            node = next;
            from = end + 1;
        }
    }

    void arrive(Index node) {
        if (!line.reaches_below) take(grants.nodes_[node].here);
    }
};

GrantAnswer GrantedPaths::find(const RequestLine& line) const {
    if (all_.empty() || !line.path.starts_with('/')) return {};
    Walk walk{*this, line};
    walk.visit(0, 1);
    if (walk.granted != kNone) return {GrantAnswer::Kind::kGranted, &all_[walk.granted]};
    if (walk.other != kNone) return {GrantAnswer::Kind::kOtherMethod, &all_[walk.other]};
    return {};
}

}  // namespace mtls
