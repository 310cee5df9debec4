// URIs as subjectAltName compares them (RFC 5280 7.4, RFC 3986 6.2.2.1): scheme and host without case, the rest as
// bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtls {

// Scheme and host in lower case, everything else untouched; nothing is decoded.
std::string canonical_uri(std::string_view uri);

// The parts of a canonical URI with an authority, borrowed from it.
struct UriParts {
    std::string_view scheme_and_authority;  // "spiffe://acme.example", up to the path
    std::string_view path;                  // with its leading '/', without query and fragment
    std::string_view query;                 // with its '?'
    bool has_userinfo = false;
    bool has_fragment = false;
    bool has_authority = false;
};
UriParts split_uri(std::string_view canonical);

// What else some reader may take it for: without userinfo, the scheme's own port, the dot behind its host, query or
// fragment, and with each reading of its path, as readings_of() has them, and without the slash at its end. Empty for a
// plain one. Null: more than can be listed.
std::optional<std::vector<std::string>> uri_readings(std::string_view canonical);

// `pattern` and `uri` canonical. A URI with userinfo or fragment, with %2F, %5C or dot segments in its path, never
// matches a pattern with wildcards.
bool uri_pattern_matches(std::string_view pattern, std::string_view uri);
// The same for a reader that takes such a segment for a plain name.
bool uri_pattern_may_match(std::string_view pattern, std::string_view uri);

// Whether OpenSSL's name constraints are held against the host that other readers see: it ends that at the first ':'
// behind "://", wherever it is, or else at the first '/' (RFC 5280 4.2.1.10, RFC 3986 3.2).
bool is_host_clear(std::string_view uri);

// What stands between the slashes of a path; nothing where that is empty.
std::vector<std::string_view> segments_of(std::string_view path);

}  // namespace mtls
