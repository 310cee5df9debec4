#include "terminal.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace mtls::tool {

std::string coloured(const std::string& text, Colour colour) {
    const char* const refused = std::getenv("NO_COLOR");
    if ((refused != nullptr && *refused != '\0') || isatty(STDOUT_FILENO) == 0) return text;
    const char* const code = colour == Colour::kGood ? "32" : colour == Colour::kBad ? "31" : "33";
    std::string out = "\x1b[";
    out.append(code).append("m").append(text).append("\x1b[0m");
    return out;
}

void show_progress(const char* what, std::size_t done, std::size_t all) {
    constexpr std::size_t kStep = 100;
    if (isatty(STDERR_FILENO) == 0 || all < kStep) return;
    if (done == all) {
        std::cerr << "\r\x1b[K";
    } else if (done % kStep == 0) {
        std::cerr << '\r' << what << ' ' << done << " of " << all << std::flush;
    }
}

}  // namespace mtls::tool
