// Analyses the regular expression of a section: how much of the path its named groups depend on.
#pragma once

#include <string_view>

namespace mtls {

// Whether the named groups of a path that matches capture the same text for every path below it. True if the expression
// begins with `^`, and up to its last named group and the end of that group's segment, only a literal slash can match a
// slash: `^/d/(?<WHO>[^/]+)/` qualifies, `^/d/(?:.*/)?(?<WHO>[^/]+)/` does not. False for syntax that the scanner does
// not support. Only for expressions without options such as EXTENDED.
bool captures_the_same_below(std::string_view regex);

}  // namespace mtls
