// Helpers for commands that write policy files.
#pragma once

#include <string>
#include <string_view>

namespace mtls::tool {

// A partner name made from a text: lower case, runs of other characters become one '-'; empty if nothing remains.
std::string partner_name_of(std::string_view text);

// Whether a text can be written to a policy file: no control characters, and no ${, which httpd expands.
bool is_writable(std::string_view text);

}  // namespace mtls::tool
