// Helpers for commands that write policy files.
#pragma once

#include <string>
#include <string_view>

namespace mtls::tool {

// A partner name made from a text: lower case, runs of other characters become one '-'; empty if nothing remains, or a
// reserved name.
std::string partner_name_of(std::string_view text);

// Whether a text can be written to a policy file: no control characters, and no ${, which httpd expands.
bool is_writable(std::string_view text);

// Why TYPE:VALUE fits more than the text VALUE, or another value: a wildcard, a network, the hex of a DER encoding.
// "" if it fits that text alone, or is no selector.
std::string fault_of_literal(const std::string& selector);

}  // namespace mtls::tool
