// Paths that mean something else to the backend than to httpd.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtls {

enum class PathFault { kNone, kDotSegment, kControlByte };

// `path`: httpd's decoded and normalised path. A segment that is `.` or `..` once path parameters (`;...`) are cut off,
// and `\`, `%2F`, `%5C`, `%3B` are read as backends read them (decoded up to twice), is a dot segment.
PathFault find_path_fault(std::string_view path);
// Where it says so, the path has no other reading, and there is no fault. Quick, but for paths that are not so plain;
// never throws.
bool is_plain_path(std::string_view path) noexcept;

enum class PathForm {
    kDecoded,  // as httpd decoded and normalised it
    kRaw,      // as the client wrote it: every backend decodes it at least once
};

// More readings than an honest client's path has.
constexpr std::size_t kMostReadings = 64;
// Every path that some backend may make of this one: each segment cut at its first `;`, `\` as `/`, slashes merged, dot
// segments removed (RFC 3986 5.2.4), each of these or not, in any order, and percent-decoded up to twice. A decoded
// path is among them. Null: more than kMostReadings.
std::optional<std::vector<std::string>> readings_of(std::string_view path, PathForm form);

// Whether a path as the client wrote it has a segment that is `.` or `..` once it is percent-decoded. httpd removes
// these segments before it matches its sections.
bool has_raw_dot_segment(std::string_view raw);

// Whether `below` is strictly below the directory `path`, segment by segment: "/a" and "/a/", "/a" and "/a/b", "/a/"
// and "/a/b", but not "/a/" and "/a/", nor "/a" and "/ab".
bool is_below(std::string_view path, std::string_view below);

}  // namespace mtls
