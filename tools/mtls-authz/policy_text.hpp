// For the commands that write policy files.
#pragma once

#include <string>
#include <string_view>

namespace mtls::tool {

// A partner's name made of a text: lower case, other characters become one '-'; empty where nothing is left.
std::string partner_name_of(std::string_view text);

// Whether a text can stand in a line of a policy file: without control characters, and ${ which httpd replaces.
bool is_writable(std::string_view text);

}  // namespace mtls::tool
