#include "mtls_authz/request_path.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

// Decodes in place; returns what is left of the text.
std::string_view percent_decode(std::span<char> text) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < text.size(); ++i, ++size) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        text[size] = low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
        if (low >= 0) i += 2;
    }
    return {text.data(), size};
}

bool is_separator(char c) { return c == '/' || c == '\\'; }

bool has_dot_segment(std::string_view path) {
    while (true) {
        const auto end = static_cast<std::size_t>(std::find_if(path.begin(), path.end(), is_separator) - path.begin());
        const std::string_view segment = path.substr(0, end);
        const std::string_view plain = segment.substr(0, segment.find(';'));
        if (plain == "." || plain == "..") return true;
        if (end == path.size()) return false;
        path.remove_prefix(end + 1);
    }
}

// What a byte may be the beginning of: something odd, or a segment that begins with a dot.
enum : std::uint8_t { kOdd = 1, kDot = 2 };
constexpr std::array<std::uint8_t, 256> kClasses = [] {
    std::array<std::uint8_t, 256> out{};
    std::fill_n(out.begin(), 0x20, kOdd);
    for (const char c : {'\x7f', ';', '\\', '%'}) out[static_cast<unsigned char>(c)] = kOdd;
    out[static_cast<unsigned char>('.')] = kDot;
    return out;
}();

// Whether nothing in it could be read in two ways: so for nearly every path.
bool is_plain(std::string_view path) {
    unsigned seen = 0;
    const auto class_at = [&path](std::size_t i) { return kClasses[static_cast<unsigned char>(path[i])]; };
    std::size_t at = 0;
    for (; at + 4 <= path.size(); at += 4) {
        seen |= static_cast<unsigned>(class_at(at) | class_at(at + 1) | class_at(at + 2) | class_at(at + 3));
    }
    for (; at < path.size(); ++at) seen |= class_at(at);
    return seen == 0 || ((seen & kOdd) == 0 && path.find("/.") == std::string_view::npos);
}

bool has_control_byte(std::string_view path) {
    for (const char c : path) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
    }
    return false;
}

}  // namespace

namespace {

// Never inlined: nearly every path needs no room.
[[gnu::noinline]] PathFault find_fault_by_decoding(std::string_view path) {
    // Longer than a request line may be by default; what is longer still goes to the heap.
    std::array<std::byte, 8192> room;
    std::pmr::monotonic_buffer_resource memory(room.data(), room.size());
    std::pmr::vector<char> copy(path.begin(), path.end(), &memory);
    std::string_view level(copy.data(), copy.size());
    for (int decoded = 0; decoded <= 2; ++decoded) {
        if (has_control_byte(level)) return PathFault::kControlByte;
        if (has_dot_segment(level)) return PathFault::kDotSegment;
        if (level.find('%') == std::string_view::npos) break;
        level = percent_decode({copy.data(), level.size()});
    }
    return PathFault::kNone;
}

}  // namespace

PathFault find_path_fault(std::string_view path) {
    return is_plain(path) ? PathFault::kNone : find_fault_by_decoding(path);
}

bool is_below(std::string_view path, std::string_view below) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return below.size() > path.size() + 1 && below.starts_with(path) && below[path.size()] == '/';
}

}  // namespace mtls
