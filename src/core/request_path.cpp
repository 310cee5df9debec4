#include "mtls_authz/request_path.hpp"

#include <string>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

std::string percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = text[i] == '%' && i + 2 < text.size() ? from_hex(text.substr(i + 1, 2), false) : std::nullopt;
        out += byte ? byte->front() : text[i];
        if (byte) i += 2;
    }
    return out;
}

bool has_dot_segment(std::string_view path) {
    std::string slashed(path);
    for (char& c : slashed) {
        if (c == '\\') c = '/';
    }
    for (const std::string_view segment : split(slashed, '/')) {
        const std::string_view plain = segment.substr(0, segment.find(';'));
        if (plain == "." || plain == "..") return true;
    }
    return false;
}

bool is_plain(std::string_view path) {
    char before = '\0';
    for (const char c : path) {
        const bool odd = static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == ';' || c == '\\' || c == '%';
        if (odd || (c == '.' && before == '/')) return false;
        before = c;
    }
    return true;
}

bool has_control_byte(std::string_view path) {
    for (const char c : path) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
    }
    return false;
}

}  // namespace

PathFault find_path_fault(std::string_view path) {
    if (path == "*") return PathFault::kNone;
    // Nearly every path: nothing that could be read in two ways.
    if (is_plain(path)) return PathFault::kNone;
    std::string level(path);
    for (int decoded = 0; decoded <= 2; ++decoded) {
        if (has_control_byte(level)) return PathFault::kControlByte;
        if (has_dot_segment(level)) return PathFault::kDotSegment;
        if (level.find('%') == std::string::npos) break;
        level = percent_decode(level);
    }
    return PathFault::kNone;
}

bool is_below(std::string_view path, std::string_view below) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return below.size() > path.size() + 1 && below.starts_with(path) && below[path.size()] == '/';
}

}  // namespace mtls
