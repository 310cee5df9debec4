// Which representation a client asks for (RFC 9110 12.5.1).
#pragma once

#include <initializer_list>
#include <string_view>

namespace mtls {

// Whether `accept` (a whole Accept field, empty where there is none) puts text/html before all of `others`, as a
// browser's does. Between equals the one that is named wins over the one that a wildcard covers.
bool prefers_html(std::string_view accept, std::initializer_list<std::string_view> others);

}  // namespace mtls
