// How text gets to people: colours and readable text where they look, and nothing that a certificate could steer.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

enum class Colour { kGood, kBad, kDoubt };

// Whether standard output is a terminal.
bool is_terminal();

// `text` in that colour where standard output is a terminal and NO_COLOR is not set (no-color.org); otherwise as it is.
std::string coloured(const std::string& text, Colour colour);

// Text from certificates, logs and policies for people: UTF-8 stays as it is, but for control characters and those that
// change the direction of text or take no room. These, and bytes that are no UTF-8, become \xHH. At most some 4,000
// bytes, then "...".
std::string shown(std::string_view text);

// "FILE:LINE: error: MESSAGE"; on a terminal with that line below and a caret under the word that the message quotes.
void print_finding(std::ostream& out, const Diagnostic& finding);
void print_findings(std::ostream& out, const std::vector<Diagnostic>& findings);

// "mtls-authz: TEXT" on standard error; kNotDone, for the caller to return.
int complain(const std::string& text);

// One line on standard error that is overwritten by the next, where that is a terminal: "checked 300 of 9000".
void show_progress(const char* what, std::size_t done, std::size_t all);

}  // namespace mtls::tool
