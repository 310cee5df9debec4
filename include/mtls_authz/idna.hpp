// Internationalised domain names as certificates hold them (RFC 5280 7.2), for messages alone: nothing is ever
// converted to be compared.
#pragma once

#include <string>
#include <string_view>

namespace mtls {

// The A-label form (RFC 5890, Punycode of RFC 3492) of a name in UTF-8, lower-cased in ASCII only; empty where the
// bytes are not valid UTF-8.
std::string a_labels_of(std::string_view name);

}  // namespace mtls
