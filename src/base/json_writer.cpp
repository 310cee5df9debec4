#include "mtls_authz/base/json_writer.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace mtls {

namespace {

// Bytes that need no escape in a JSON string.
constexpr std::array<bool, 256> kPlain = [] {
    std::array<bool, 256> out{};
    for (std::size_t byte = 0x20; byte < 0x7f; ++byte) out[byte] = byte != '"' && byte != '\\';
    return out;
}();

bool is_plain(char c) { return kPlain[static_cast<unsigned char>(c)]; }

// Whether one of these eight bytes needs an escape. Each test sets the top bit of a byte that does: one below 0x20,
// a quote, a backslash, 0x7f, or more. A carry into the next byte comes only from one that is found in any case.
bool is_any_escaped(std::uint64_t bytes) {
    constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;
    const std::uint64_t found = (bytes - 0x20 * kEach) | ((bytes ^ '"' * kEach) - kEach) |
                                ((bytes ^ '\\' * kEach) - kEach) | (bytes + kEach) | bytes;
    return (found & 0x80 * kEach) != 0;
}

// How many bytes at the start of `text` need no escape.
std::size_t plain_prefix(std::string_view text) {
    std::size_t out = 0;
    for (std::uint64_t bytes = 0; out + sizeof bytes <= text.size(); out += sizeof bytes) {
        std::memcpy(&bytes, text.data() + out, sizeof bytes);
        if (is_any_escaped(bytes)) break;
    }
    while (out < text.size() && is_plain(text[out])) ++out;
    return out;
}

// Removes the first character of `text` (RFC 3629) and returns it. For invalid bytes: removes the longest prefix of a
// character, and returns U+FFFD.
char32_t take_character(std::string_view& text) {
    constexpr char32_t kReplacement = 0xfffd;
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    const std::size_t more = lead >= 0xf0 && lead <= 0xf4  ? 3
                             : lead >= 0xe0 && lead < 0xf0 ? 2
                             : lead >= 0xc2 && lead < 0xe0 ? 1
                                                           : 0;
    if (more == 0) {
        text.remove_prefix(1);
        return lead < 0x80 ? lead : kReplacement;
    }
    char32_t out = lead & (0x3fU >> more);
    for (std::size_t i = 1; i <= more; ++i) {
        // No overlong form, no surrogate, nothing above U+10FFFF.
        const unsigned low = i > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = i > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (i == text.size() || byte(i) < low || byte(i) > high) {
            text.remove_prefix(i);
            return kReplacement;
        }
        out = out << 6 | (byte(i) & 0x3fU);
    }
    text.remove_prefix(more + 1);
    return out;
}

}  // namespace

std::string JsonWriter::text() && {
    out_.resize(used_);
    return std::move(out_);
}

void JsonWriter::escape_unit(unsigned unit) {
    static constexpr char kDigits[] = "0123456789abcdef";
    put("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) put(kDigits[unit >> shift & 15]);
}

void JsonWriter::escape(char32_t c) {
    constexpr char32_t kSupplementary = 0x10000;
    if (c >= kSupplementary) {
        escape_unit(static_cast<unsigned>(0xd800 + ((c - kSupplementary) >> 10)));
        return escape_unit(static_cast<unsigned>(0xdc00 + ((c - kSupplementary) & 0x3ff)));
    }
    static constexpr std::string_view kShort = "\b\f\n\r\t\"\\", kLetters = "bfnrt\"\\";
    const std::size_t at = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    if (at == std::string_view::npos) return escape_unit(static_cast<unsigned>(c));
    put('\\');
    put(kLetters[at]);
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    put('"');
    put(name);
    put(indent_ > 0 ? std::string_view("\": ") : std::string_view("\":"));
    follows_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    put('"');
    while (!text.empty()) {
        const std::size_t plain = plain_prefix(text);
        put(text.substr(0, plain));
        text.remove_prefix(plain);
        if (!text.empty()) escape(take_character(text));
    }
    put('"');
    return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
    separate();
    put(bracket);
    ++depth_;
    is_first_ = true;
    return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
    --depth_;
    if (!is_first_) break_line();
    put(bracket);
    is_first_ = false;
    return *this;
}

JsonWriter& JsonWriter::literal(std::string_view word) {
    separate();
    put(word);
    return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
    char text[24];
    return literal({text, std::to_chars(text, text + sizeof text, number).ptr});
}

JsonWriter& JsonWriter::natural(std::uint64_t number) {
    char text[24];
    return literal({text, std::to_chars(text, text + sizeof text, number).ptr});
}

// Writes the separator before a name, or before a value without one.
void JsonWriter::separate() {
    if (follows_key_) {
        follows_key_ = false;
        return;
    }
    if (depth_ == 0) return;
    if (!is_first_) put(',');
    is_first_ = false;
    break_line();
}

void JsonWriter::break_line() {
    if (indent_ == 0) return;
    put('\n');
    for (std::size_t i = depth_ * indent_; i > 0; --i) put(' ');
}

}  // namespace mtls
