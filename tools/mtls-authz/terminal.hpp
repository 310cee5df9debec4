// Colours where a person looks, and nowhere else.
#pragma once

#include <string>

namespace mtls::tool {

enum class Colour { kGood, kBad, kDoubt };

// `text` in that colour where standard output is a terminal and NO_COLOR is not set (no-color.org); otherwise as it is.
std::string coloured(const std::string& text, Colour colour);

// One line on standard error that is overwritten by the next, where that is a terminal: "checked 300 of 9000".
void show_progress(const char* what, std::size_t done, std::size_t all);

}  // namespace mtls::tool
