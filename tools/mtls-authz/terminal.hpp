// Output for people: colours on terminals, and escaping of text that a certificate could control.
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

// `text` in that colour if standard output is a terminal and NO_COLOR is not set (no-color.org); else unchanged.
std::string coloured(const std::string& text, Colour colour);

// Text from certificates, logs and policies: keeps valid UTF-8 except control characters and those that are invisible
// or change the text's direction. These, and invalid bytes, become \xHH. At most about 4,000 bytes, then "...".
std::string shown(std::string_view text);

// Columns that printable UTF-8 takes, one for each character.
std::size_t width_on_screen(std::string_view text);

// "FILE:LINE: error: MESSAGE"; on a terminal also that line, with a caret below the word that the message quotes.
void print_finding(std::ostream& out, const Diagnostic& finding);
void print_findings(std::ostream& out, const std::vector<Diagnostic>& findings);

// Prints "mtls-authz: TEXT" to standard error; returns kNotDone.
int complain(const std::string& text);

// "checked 300 of 9000" on standard error, overwritten by the next one; only on a terminal.
void show_progress(const char* what, std::size_t done, std::size_t all);

}  // namespace mtls::tool
