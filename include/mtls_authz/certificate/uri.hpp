// URIs as subjectAltName compares them (RFC 5280 7.4, RFC 3986 6.2.2.1): scheme and host case-insensitive, the rest as
// bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtls {

// Lower-cases scheme and host; the rest is unchanged, and nothing is decoded.
std::string canonical_uri(std::string_view uri);

// The parts of a canonical URI with an authority; views into it.
struct UriParts {
    std::string_view scheme_and_authority;  // "spiffe://acme.example", up to the path
    std::string_view path;                  // with its leading '/', without query and fragment
    std::string_view query;                 // with its '?'
    bool has_userinfo = false;
    bool has_fragment = false;
    bool has_authority = false;
};
UriParts split_uri(std::string_view canonical);

// Other URIs that some application may treat as equal: without userinfo, default port, trailing dot of the host, query
// or fragment, with every reading of its path (readings_of()), and without a trailing slash. Empty if there are none.
// Null: too many to list.
std::optional<std::vector<std::string>> uri_readings(std::string_view canonical);

// `pattern` and `uri` are canonical. A URI with userinfo or fragment, or with %2F, %5C or dot segments in its path,
// never matches a pattern with wildcards.
bool uri_pattern_matches(std::string_view pattern, std::string_view uri);
// The same for an application that treats such a segment as a plain name.
bool uri_pattern_may_match(std::string_view pattern, std::string_view uri);

// Whether the host that OpenSSL checks against name constraints is the host that other parsers see. OpenSSL ends the
// host at the first ':' after "://", wherever that is, else at the first '/' (RFC 5280 4.2.1.10, RFC 3986 3.2).
bool is_host_clear(std::string_view uri);

// The segments of a path; none if the path is empty.
std::vector<std::string_view> segments_of(std::string_view path);

}  // namespace mtls
