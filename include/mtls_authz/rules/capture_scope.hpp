// How far into a path the regular expression of a section looks for what it captures.
#pragma once

#include <string_view>

namespace mtls {

// Whether all that the expression's named groups capture of a path that it fits is captured the same of every path
// below that one: the expression begins with `^`, and up to its last named group, and up to the end of that group's
// segment, it takes slashes only one by one, where it names them. `^/d/(?<WHO>[^/]+)/` does so, and
// `^/d/(?:.*/)?(?<WHO>[^/]+)/` does not. Of expressions that it does not understand: no. For expressions without
// options such as EXTENDED.
bool captures_the_same_below(std::string_view regex);

}  // namespace mtls
