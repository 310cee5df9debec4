#include "mtls_authz/request_path.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

// Sixteen bytes at once: gcc and clang make one instruction of each operation where the processor has such.
using Bytes = std::uint8_t __attribute__((vector_size(16)));

// Not zero where a byte is a control character, one of `;`, `\`, `%`, or a dot behind a slash; `before`: what stands
// before each.
Bytes odd_bytes(const Bytes& bytes, const Bytes& before) {
    return static_cast<Bytes>((bytes < 0x20) | (bytes == 0x7f) | (bytes == ';') | (bytes == '\\') | (bytes == '%') |
                              ((bytes == '.') & (before == '/')));
}

bool any(const Bytes& bytes) {
    const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
    return (words[0] | words[1]) != 0;
}

constexpr std::size_t kHalf = sizeof(Bytes) / 2;

// `first` and `last`: eight bytes each.
Bytes load(const char* first, const char* last) {
    using Words = std::uint64_t __attribute__((vector_size(16)));
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, first, sizeof low);
    std::memcpy(&high, last, sizeof high);
    return std::bit_cast<Bytes>(Words{low, high});
}
Bytes load(const char* at) {
    Bytes out;
    std::memcpy(&out, at, sizeof out);
    return out;
}

// Of paths that hold less than a half of what is looked at at once.
[[gnu::noinline]] bool is_plain_short(const char* path, std::size_t size) noexcept {
    std::array<char, sizeof(Bytes) + 1> room{'/'};
    std::fill(std::copy_n(path, size, room.begin() + 1), room.end(), 'x');
    return !any(odd_bytes(load(room.data() + 1), load(room.data())));
}

// Of those that hold more than all of it.
[[gnu::noinline]] bool is_plain_long(const char* path, std::size_t size) noexcept {
    const char* const last = path + size - sizeof(Bytes);
    Bytes odd{};
    for (const char* at = path + 1; at < last; at += sizeof(Bytes)) odd |= odd_bytes(load(at), load(at - 1));
    return !any(odd | odd_bytes(load(last), load(last - 1)));
}

bool has_control_byte(std::string_view path) {
    for (const char c : path) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
    }
    return false;
}

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

bool is_plain_path(std::string_view path) noexcept {
    const char* const p = path.data();
    const std::size_t behind_slash = path.size() - 1;
    if (path.empty() || *p != '/') return false;
    if (behind_slash < kHalf) return is_plain_short(p, path.size());
    if (behind_slash > sizeof(Bytes)) return is_plain_long(p, path.size());
    const char* const last = p + path.size() - kHalf;
    return !any(odd_bytes(load(p + 1, last), load(p, last - 1)));
}

PathFault find_path_fault(std::string_view path) {
    return is_plain_path(path) ? PathFault::kNone : find_fault_by_decoding(path);
}

bool is_below(std::string_view path, std::string_view below) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return below.size() > path.size() + 1 && below.starts_with(path) && below[path.size()] == '/';
}

}  // namespace mtls
