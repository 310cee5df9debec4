// Which representation a client asks for (RFC 9110 12.5.1).
#pragma once

#include <initializer_list>
#include <string_view>

namespace mtls {

// Whether `accept` (a whole Accept field, empty if absent) prefers text/html to all of `others`, as a browser's does.
// With equal quality, a type that is named precedes one that a wildcard matches.
bool prefers_html(std::string_view accept, std::initializer_list<std::string_view> others);

}  // namespace mtls
