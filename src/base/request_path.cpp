#include "mtls_authz/base/request_path.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <span>
#include <utility>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// Decodes in place; returns the decoded part.
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
        const std::string_view plain = segment.substr(0, segment.find_first_of(";#?"));
        if (plain == "." || plain == "..") return true;
        if (end == path.size()) return false;
        path.remove_prefix(end + 1);
    }
}

// 16 bytes per step: gcc and clang compile each operation to one vector instruction where the processor has them.
using Bytes = std::uint8_t __attribute__((vector_size(16)));

static_assert(('.' | 1) == '/');

static_assert((';' | 0x44) == 0x7f && ('?' | 0x44) == 0x7f && ('{' | 0x44) == 0x7f);

// Not zero where a byte is a control character, one of `;`, `?`, `{`, `#`, `\`, `%`, or a dot or slash after a slash.
// `before`: the byte before each. `{` has no other reading, but costs one comparison less.
Bytes odd_bytes(const Bytes& bytes, const Bytes& before) {
    return static_cast<Bytes>((bytes < 0x20) | ((bytes | 0x44) == 0x7f) | (bytes == '#') | (bytes == '\\') |
                              (bytes == '%') | (((bytes | 1) == '/') & (before == '/')));
}

bool any(const Bytes& bytes) {
    const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
    return (words[0] | words[1]) != 0;
}

constexpr std::size_t kHalf = sizeof(Bytes) / 2;

// Eight bytes from `first`, then eight from `last`.
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

// For paths with fewer than kHalf bytes after the first slash.
[[gnu::noinline]] bool is_plain_short(const char* path, std::size_t size) noexcept {
    std::array<char, sizeof(Bytes) + 1> room{'x'};
    std::fill(std::copy_n(path, size, room.begin() + 1), room.end(), 'x');
    return !any(odd_bytes(load(room.data() + 1), load(room.data())));
}

// For paths with more than sizeof(Bytes) bytes after the first slash.
[[gnu::noinline]] bool is_plain_long(const char* path, std::size_t size) noexcept {
    const char* const last = path + size - sizeof(Bytes);
    Bytes odd{};
    for (const char* at = path + 1; at < last; at += sizeof(Bytes)) odd |= odd_bytes(load(at), load(at - 1));
    return !any(odd | odd_bytes(load(last), load(last - 1)));
}

bool has_control_byte(std::string_view path) { return std::any_of(path.begin(), path.end(), is_ascii_control); }

// Never inlined: nearly all paths are plain and must not pay for this stack frame.
[[gnu::noinline]] PathFault find_fault_by_decoding(std::string_view path) {
    // More than the default limit of a request line; longer paths use the heap.
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

// Calls `visit` for each segment between slashes.
template <class Visit>
void for_each_segment(std::string_view path, Visit visit) {
    while (true) {
        const std::size_t end = path.find('/');
        visit(path.substr(0, end));
        if (end == std::string_view::npos) return;
        path.remove_prefix(end + 1);
    }
}

std::string cut_at_semicolons(std::string_view path) {
    std::vector<std::string_view> out;
    for_each_segment(path, [&out](std::string_view segment) { out.push_back(segment.substr(0, segment.find(';'))); });
    return joined(out, "/");
}

std::string slashes_for_backslashes(std::string_view path) {
    std::string out(path);
    std::replace(out.begin(), out.end(), '\\', '/');
    return out;
}

std::string merge_slashes(std::string_view path) {
    std::string out;
    for (const char c : path) {
        if (c != '/' || !out.ends_with('/')) out += c;
    }
    return out;
}

// RFC 3986 5.2.4: an empty segment counts as one that `..` removes.
std::string remove_dot_segments(std::string_view path) {
    std::vector<std::string_view> out;
    bool ends_in_dots = false;
    for_each_segment(path, [&](std::string_view segment) {
        ends_in_dots = segment == "." || segment == "..";
        if (!ends_in_dots) out.push_back(segment);
        // The first segment is the empty one before the leading slash.
        if (segment == ".." && out.size() > 1) out.pop_back();
    });
    if (ends_in_dots) out.emplace_back();
    return joined(out, "/");
}

// RFC 3986 4.2: `//HOST/PATH` is a network-path reference, and parsers of URLs take PATH. Some skip further slashes.
std::string without_authority(std::string_view path) {
    if (!path.starts_with("//")) return std::string(path);
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    const std::size_t slash = path.find('/');
    return slash == std::string_view::npos ? "/" : std::string(path.substr(slash));
}

// With RewriteRule ... [P,NE], mod_proxy sends httpd's decoded path as it is.
std::string without_query(std::string_view path) { return std::string(path.substr(0, path.find_first_of("#?"))); }

std::string decode_once(std::string_view path) {
    std::string out(path);
    out.resize(percent_decode(out).size());
    return out;
}

void add_new(std::vector<std::string>& readings, std::string path) {
    if (std::find(readings.begin(), readings.end(), path) == readings.end()) readings.push_back(std::move(path));
}

// Adds every reading that these yield by any steps except decoding; false if there are more than kMostReadings.
bool read_further(std::vector<std::string>& readings) {
    for (std::size_t i = 0; i < readings.size(); ++i) {
        for (const auto step : {cut_at_semicolons, slashes_for_backslashes, merge_slashes, remove_dot_segments,
                                without_authority, without_query}) {
            add_new(readings, step(readings[i]));
        }
        if (readings.size() > kMostReadings) return false;
    }
    return true;
}

}  // namespace

std::optional<std::vector<std::string>> readings_of(std::string_view path, PathForm form) {
    if (is_plain_path(path)) return std::vector{std::string(path)};
    std::vector<std::string> all, level{std::string(path)};
    for (int decoded = 0;; ++decoded) {
        if (!read_further(level)) return std::nullopt;
        if (decoded > 0 || form == PathForm::kDecoded) {
            for (const std::string& reading : level) add_new(all, reading);
        }
        if (all.size() > kMostReadings) return std::nullopt;
        if (decoded == 2) return all;
        std::vector<std::string> next;
        for (const std::string& reading : level) add_new(next, decode_once(reading));
        level = std::move(next);
    }
}

bool has_removed_segment(std::string_view raw) {
    const std::string path = decode_once(raw);
    return path.starts_with("//") || has_dot_segment(path);
}

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
    if (path.starts_with(below)) return false;
    while (path.ends_with('/')) path.remove_suffix(1);
    return below.size() > path.size() && below.starts_with(path) && below[path.size()] == '/';
}

bool covers(std::string_view over, std::string_view path) { return over == path || is_below(over, path); }

}  // namespace mtls
