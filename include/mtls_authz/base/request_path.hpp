// Detects request paths that a backend may read differently from httpd.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtls {

enum class PathFault { kNone, kDotSegment, kControlByte };

// `path` is httpd's decoded and normalised path. A dot segment is one that is `.` or `..` after path parameters
// (`;...`), query and fragment are cut off and `\`, `%2F`, `%5C`, `%3B`, `%23`, `%3F` are read as backends read them
// (decoded up to twice).
PathFault find_path_fault(std::string_view path);
// True only if the path has no other reading and no fault; false for some paths that have neither. Fast; never throws.
bool is_plain_path(std::string_view path) noexcept;

enum class PathForm {
    kDecoded,  // as httpd decoded and normalised it
    kRaw,      // as the client sent it: every backend decodes it at least once
};

// Paths of well-behaved clients have fewer readings.
constexpr std::size_t kMostReadings = 64;
// Every path that some backend may make of this one: each segment cut at its first `;`, the path at its first `#` or
// `?`, `\` as `/`, slashes merged, dot segments removed (RFC 3986 5.2.4), `//HOST/` at the beginning read as an
// authority (4.2), each step applied or not, in any order, and percent-decoded up to twice. A decoded path is among its
// own readings. Null: more than kMostReadings.
std::optional<std::vector<std::string>> readings_of(std::string_view path, PathForm form);

// Whether a path as the client sent it, after percent-decoding, has a segment that is `.` or `..`, or begins with two
// slashes. httpd removes these before it matches its sections.
bool has_removed_segment(std::string_view raw);

// Whether `below` is strictly below the directory `path`, segment by segment: "/a" and "/a/", "/a" and "/a/b", "/a/"
// and "/a/b", but not "/a/" and "/a/", nor "/a" and "/ab".
bool is_below(std::string_view path, std::string_view below);
// Whether `path` is `over` or below it, as a <Location> with the path `over` applies.
bool covers(std::string_view over, std::string_view path);

}  // namespace mtls
