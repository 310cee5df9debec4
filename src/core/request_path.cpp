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

// Where each byte is something odd, or a dot.
struct Seen {
    Bytes odd{};
    Bytes dot{};

    void look_at(const Bytes& bytes) {
        odd |= static_cast<Bytes>((bytes < 0x20) | (bytes == 0x7f) | (bytes == ';') | (bytes == '\\') | (bytes == '%'));
        dot |= static_cast<Bytes>(bytes == '.');
    }
    static bool any(const Bytes& bytes) {
        const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
        return (words[0] | words[1]) != 0;
    }
};

// `first` and `last`: eight bytes each.
Bytes load(const char* first, const char* last) {
    using Words = std::uint64_t __attribute__((vector_size(16)));
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, first, sizeof low);
    std::memcpy(&high, last, sizeof high);
    return std::bit_cast<Bytes>(Words{low, high});
}

// Of short paths, and of those longer than sixteen bytes.
[[gnu::noinline]] Seen look_at_all(std::string_view path) noexcept {
    constexpr std::size_t kHalf = sizeof(Bytes) / 2;
    const char* const end = path.data() + path.size();
    Seen seen;
    if (path.size() < kHalf) {
        Bytes few = Bytes{} + std::uint8_t{'/'};
        std::memcpy(&few, path.data(), path.size());
        seen.look_at(few);
        return seen;
    }
    for (const char* at = path.data(); static_cast<std::size_t>(end - at) > sizeof(Bytes); at += sizeof(Bytes)) {
        seen.look_at(load(at, at + kHalf));
    }
    // The end, whatever of it was looked at before.
    const std::size_t rest = std::min(path.size(), sizeof(Bytes));
    seen.look_at(load(end - rest, end - kHalf));
    return seen;
}

[[gnu::noinline]] bool has_no_dot_after_slash(std::string_view path) noexcept {
    return path.find("/.") == std::string_view::npos;
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

bool is_plain_path(std::string_view path) noexcept {
    constexpr std::size_t kHalf = sizeof(Bytes) / 2;
    Seen seen;
    if (path.size() - kHalf <= kHalf) {
        seen.look_at(load(path.data(), path.data() + path.size() - kHalf));
    } else {
        seen = look_at_all(path);
    }
    return !Seen::any(seen.odd) && (!Seen::any(seen.dot) || has_no_dot_after_slash(path));
}

PathFault find_path_fault(std::string_view path) {
    return is_plain_path(path) ? PathFault::kNone : find_fault_by_decoding(path);
}

bool is_below(std::string_view path, std::string_view below) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return below.size() > path.size() + 1 && below.starts_with(path) && below[path.size()] == '/';
}

}  // namespace mtls
