
#include "terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <utility>

#include "commands.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

bool is_terminal() { return isatty(STDOUT_FILENO) != 0; }

std::string coloured(const std::string& text, Colour colour) {
    const char* const refused = std::getenv("NO_COLOR");
    if ((refused != nullptr && *refused != '\0') || !is_terminal()) return text;
    const char* const code = colour == Colour::kGood ? "32" : colour == Colour::kBad ? "31" : "33";
    std::string out = "\x1b[";
    out.append(code).append("m").append(text).append("\x1b[0m");
    return out;
}

namespace {

std::size_t length_of_sequence(unsigned char first) {
    return first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

}  // namespace

std::string shown(std::string_view text) {
    constexpr std::size_t kMost = 4000;
    std::string out;
    while (!text.empty()) {
        if (out.size() > kMost) return out + "...";
        const std::size_t length = length_of_sequence(static_cast<unsigned char>(text.front()));
        const std::string_view sequence = text.substr(0, length);
        const auto point = decode_utf8(sequence);
        const bool plain = point && point->size() == 1 && !is_deceptive(point->front());
        const std::string_view taken = plain ? sequence : point ? sequence : text.substr(0, 1);
        text.remove_prefix(taken.size());
        if (plain) {
            out += taken;
            continue;
        }
        for (const char& byte : taken) out += "\\x" + hex(bytes_of({&byte, 1}));
    }
    return out;
}

std::size_t width_on_screen(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

namespace {

// Line `number` of a file, without its newline.
std::string line_of(const std::string& file, unsigned number) {
    std::ifstream in(file);
    std::string line;
    for (unsigned i = 0; i < number; ++i) {
        if (!std::getline(in, line)) return {};
    }
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

// Position of the first word that the message quotes and the line contains.
std::size_t column_of(const std::string& message, const std::string& line) {
    for (std::size_t open = message.find('\''); open != std::string::npos; open = message.find('\'', open + 1)) {
        const std::size_t close = message.find('\'', open + 1);
        if (close == std::string::npos) break;
        const std::size_t at = line.find(message.substr(open + 1, close - open - 1));
        if (close > open + 1 && at != std::string::npos) return at;
    }
    return std::min(line.find_first_not_of(" \t"), line.size());
}

}  // namespace

void print_finding(std::ostream& out, const Diagnostic& finding) {
    const bool is_error = finding.is_error();
    const std::string message = shown(finding.message);
    const bool is_input = finding.where.file == "-";
    const Where where{is_input ? "standard input" : finding.where.file, finding.where.line};
    out << (where.file.empty() ? "" : shown(where.str()) + ": ")
        << coloured(is_error ? "error:" : "warning:", is_error ? Colour::kBad : Colour::kDoubt) << ' ' << message
        << '\n';
    constexpr std::size_t kMostShown = 160;  // longer lines would not fit the screen
    if (!is_terminal() || finding.where.line == 0) return;
    std::string line = line_of(finding.where.file, finding.where.line);
    if (line.empty() || line.size() > kMostShown) return;
    std::replace(line.begin(), line.end(), '\t', ' ');
    const std::size_t at = column_of(message, line);
    const std::string before = shown(std::string_view(line).substr(0, at));
    out << "    " << shown(line) << "\n    " << std::string(width_on_screen(before), ' ') << coloured("^", Colour::kBad)
        << '\n';
}

void print_findings(std::ostream& out, const std::vector<Diagnostic>& findings) {
    for (const Diagnostic& finding : findings) print_finding(out, finding);
}

int complain(const std::string& text) {
    std::cerr << "mtls-authz: " << joined(split(text, '\n'), "\n", shown) << '\n';
    return kNotDone;
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
