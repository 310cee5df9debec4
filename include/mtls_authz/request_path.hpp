// Paths that mean something else to the backend than to httpd.
#pragma once

#include <string_view>

namespace mtls {

enum class PathFault { kNone, kDotSegment, kControlByte };

// `path`: httpd's decoded and normalised path. A segment that is `.` or `..` once path parameters (`;...`) are cut off,
// and
// `\`, `%2F`, `%5C`, `%3B` are read as backends read them (decoded up to twice), is a dot segment.
PathFault find_path_fault(std::string_view path);
// Where it says so, nothing in the path could be read in two ways, and there is no fault. Quick, but for paths that are
// not so plain; never throws.
bool is_plain_path(std::string_view path) noexcept;

// Whether `below` lies strictly below the directory `path`, segment by segment: "/a" and "/a/b", "/a/" and "/a/b", but
// not
// "/a" and "/ab".
bool is_below(std::string_view path, std::string_view below);

}  // namespace mtls
