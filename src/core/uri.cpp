#include "mtls_authz/uri.hpp"

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

std::string canonical_uri(std::string_view uri) {
    std::string out(uri);
    const std::size_t colon = out.find(':');
    if (colon == std::string::npos) return out;
    std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(colon), out.begin(), to_lower);
    if (out.compare(colon, 3, "://") != 0) return out;
    const std::size_t authority = colon + 3;
    const std::size_t end = std::min(out.find_first_of("/?#", authority), out.size());
    const std::size_t at = out.rfind('@', end);
    const std::size_t host = at != std::string::npos && at >= authority && at < end ? at + 1 : authority;
    std::transform(out.begin() + static_cast<std::ptrdiff_t>(host), out.begin() + static_cast<std::ptrdiff_t>(end),
                   out.begin() + static_cast<std::ptrdiff_t>(host), to_lower);
    return out;
}

UriParts split_uri(std::string_view uri) {
    UriParts parts;
    const std::size_t colon = uri.find("://");
    parts.has_authority = colon != std::string_view::npos && uri.find_first_of("/?#") == colon + 1;
    if (!parts.has_authority) return parts;
    const std::size_t path = std::min(uri.find_first_of("/?#", colon + 3), uri.size());
    const std::size_t query = std::min(uri.find_first_of("?#", path), uri.size());
    const std::size_t fragment = std::min(uri.find('#', query), uri.size());
    parts.scheme_and_authority = uri.substr(0, path);
    parts.path = uri.substr(path, query - path);
    parts.query = uri.substr(query, fragment - query);
    parts.has_fragment = fragment < uri.size();
    parts.has_userinfo = parts.scheme_and_authority.find('@') != std::string_view::npos;
    return parts;
}

namespace {

std::string with_decoded_dots(std::string_view segment) {
    std::string out;
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (segment[i] == '%' && i + 2 < segment.size() && equal_nocase(segment.substr(i, 3), "%2e")) {
            out += '.';
            i += 2;
        } else {
            out += segment[i];
        }
    }
    return out;
}

// A segment that a later reader may take for something else than one plain name.
bool is_devious(std::string_view segment) {
    const std::string folded = lower(segment);
    if (folded.find("%2f") != std::string::npos || folded.find("%5c") != std::string::npos) return true;
    if (segment.find('\\') != std::string_view::npos) return true;
    const std::string plain = with_decoded_dots(segment);
    return plain == "." || plain == "..";
}

}  // namespace

std::vector<std::string_view> segments_of(std::string_view path) {
    if (path.empty()) return {};
    return split(path.substr(1), '/');
}

bool uri_pattern_matches(std::string_view pattern, std::string_view uri) {
    const UriParts wanted = split_uri(pattern);
    const UriParts actual = split_uri(uri);
    if (!actual.has_authority || actual.has_userinfo || actual.has_fragment) return false;
    if (actual.scheme_and_authority != wanted.scheme_and_authority || actual.query != wanted.query) return false;
    const auto p = segments_of(wanted.path);
    const auto a = segments_of(actual.path);
    if (std::any_of(a.begin(), a.end(), is_devious)) return false;
    const bool deep = !p.empty() && p.back() == "**";
    const std::size_t fixed = deep ? p.size() - 1 : p.size();
    if (deep ? a.size() <= fixed : a.size() != fixed) return false;
    for (std::size_t i = 0; i < fixed; ++i) {
        if (p[i] == "*" ? a[i].empty() : p[i] != a[i]) return false;
    }
    return std::none_of(a.begin() + static_cast<std::ptrdiff_t>(fixed), a.end(),
                        [](std::string_view s) { return s.empty(); });
}

}  // namespace mtls
