#include "mtls_authz/certificate/uri.hpp"

#include <algorithm>
#include <utility>

#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

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

// A segment that an application may read as something other than one plain name.
bool is_ambiguous_segment(std::string_view segment) {
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

namespace {

std::string_view without_default_port(std::string_view authority, std::string_view scheme) {
    for (const auto& [of, port] : {std::pair("https", ":443"), std::pair("http", ":80"), std::pair("", ":")}) {
        const std::string_view end = port;
        if ((*of == '\0' || scheme == of) && authority.ends_with(end)) {
            return authority.substr(0, authority.size() - end.size());
        }
    }
    return authority;
}

// The authority for an application that ignores userinfo and the default port.
std::string plain_authority(std::string_view scheme_and_authority) {
    const std::size_t begin = scheme_and_authority.find("://") + 3;
    const std::string_view scheme = scheme_and_authority.substr(0, begin - 3);
    std::string_view authority = scheme_and_authority.substr(begin);
    const std::size_t at = authority.rfind('@');
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    authority = without_default_port(authority, scheme);
    if (authority.ends_with('.')) authority.remove_suffix(1);
    return std::string(scheme_and_authority.substr(0, begin)) + std::string(authority);
}

bool path_fits(std::string_view pattern, std::string_view path) {
    const auto p = segments_of(pattern);
    const auto a = segments_of(path);
    const bool deep = !p.empty() && p.back() == "**";
    const std::size_t fixed = deep ? p.size() - 1 : p.size();
    if (deep ? a.size() <= fixed : a.size() != fixed) return false;
    for (std::size_t i = 0; i < fixed; ++i) {
        if (p[i] == "*" ? a[i].empty() : p[i] != a[i]) return false;
    }
    return std::none_of(a.begin() + static_cast<std::ptrdiff_t>(fixed), a.end(),
                        [](std::string_view s) { return s.empty(); });
}

}  // namespace

std::optional<std::vector<std::string>> uri_readings(std::string_view canonical) {
    std::vector<std::string> out;
    const UriParts parts = split_uri(canonical);
    if (!parts.has_authority) return out;
    const std::string authority = plain_authority(parts.scheme_and_authority);
    const bool is_plain = authority == parts.scheme_and_authority && parts.query.empty() && !parts.has_fragment;
    const bool is_plain_there = parts.path.empty() || (is_plain_path(parts.path) && !parts.path.ends_with('/'));
    if (is_plain && is_plain_there) return out;
    const auto paths =
        parts.path.empty() ? std::optional(std::vector<std::string>{""}) : readings_of(parts.path, PathForm::kDecoded);
    if (!paths) return std::nullopt;
    for (const std::string& path : *paths) {
        const std::string without_slash = path.substr(0, path.size() - (path.ends_with('/') ? 1 : 0));
        for (const std::string& one : {path, without_slash}) {
            out.push_back(authority + one);
            if (!parts.query.empty()) out.push_back(authority + one + std::string(parts.query));
        }
    }
    return out;
}

bool is_host_clear(std::string_view uri) {
    const std::size_t begin = uri.find("://");
    if (begin == std::string_view::npos) return true;  // OpenSSL rejects it
    uri.remove_prefix(begin + 3);
    const std::string_view authority = uri.substr(0, uri.find_first_of("/?#"));
    const std::size_t colon = uri.find(':');
    const std::string_view by_openssl = uri.substr(0, colon != std::string_view::npos ? colon : uri.find('/'));
    const std::string_view host = authority.substr(0, authority.find(':'));
    return authority.find_first_of("@%") == std::string_view::npos && host == by_openssl && !host.ends_with('.');
}

bool uri_pattern_matches(std::string_view pattern, std::string_view uri) {
    const UriParts actual = split_uri(uri);
    if (actual.has_userinfo || actual.has_fragment) return false;
    const auto segments = segments_of(actual.path);
    return std::none_of(segments.begin(), segments.end(), is_ambiguous_segment) && uri_pattern_may_match(pattern, uri);
}

bool uri_pattern_may_match(std::string_view pattern, std::string_view uri) {
    const UriParts wanted = split_uri(pattern);
    const UriParts actual = split_uri(uri);
    return actual.has_authority && actual.scheme_and_authority == wanted.scheme_and_authority &&
           actual.query == wanted.query && path_fits(wanted.path, actual.path);
}

}  // namespace mtls
