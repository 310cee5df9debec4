// Small text helpers that several parts of the core need. All are locale-free and byte-exact.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

constexpr bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
constexpr bool is_ascii_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
// Whether `letter` may be the first letter or digit, in lower case, of a text whose first byte is `first`.
constexpr bool may_begin(char first, char letter) { return !is_alnum(first) || to_lower(first) == letter; }

std::string lower(std::string_view text);
bool equal_nocase(std::string_view a, std::string_view b);
inline bool starts_nocase(std::string_view text, std::string_view start) {
    return equal_nocase(text.substr(0, start.size()), start);
}
std::string_view trim(std::string_view text);

// Splits at every `separator` and keeps empty parts: "a,,b" has three.
std::vector<std::string_view> split(std::string_view text, char separator);

// The parts with `separator` between them, each as `text` gives it.
template <class Parts, class Text = std::identity>
std::string joined(const Parts& parts, std::string_view separator, Text text = {}) {
    std::string out;
    bool is_first = true;
    for (const auto& part : parts) {
        if (!std::exchange(is_first, false)) out += separator;
        out += std::invoke(text, part);
    }
    return out;
}

// Lower-case hexadecimal, two digits per byte.
std::string hex(std::span<const std::uint8_t> bytes);
inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
// RFC 4648 section 4, padded.
std::string base64(std::string_view raw);
// RFC 4648 section 5, without padding.
std::string base64url(std::string_view raw);
// Decodes it; nothing unless it has all padding. Pad bits that are not zero are accepted.
std::optional<std::string> from_base64(std::string_view text);
int hex_digit(char c);  // 0..15, or -1

// Decodes pairs of hex digits; colons between pairs are allowed when `colons` is set.
std::optional<std::string> from_hex(std::string_view text, bool colons);

// Splits words as httpd's ap_getword_conf() does: separated by blanks, quoted by " or ', where a backslash escapes a
// backslash or the quote. An unclosed quote extends to the end of the line, as in httpd.
std::vector<std::string> config_words(std::string_view line);

// The rest of the line from the first word that begins with an unquoted `#`; empty if there is none. Its author meant a
// comment, but httpd passes it to the directive as arguments.
std::string_view trailing_comment(std::string_view line);
// The error about it, or "".
std::string comment_fault(std::string_view args);

// Quotes a word where needed, so that config_words() reads it back.
std::string config_quote(std::string_view word);
void append_config_quoted(std::string& out, std::string_view word);

// Escapes text from a certificate or a request for one log line or a terminal: printable ASCII is kept; all other
// bytes, the double quote and the backslash become \xHH. At most `limit` bytes of output, then "...".
std::string escape_for_log(std::string_view text, std::size_t limit);
void append_for_log(std::string& out, std::string_view text, std::size_t limit);

// Control characters; characters that cannot be seen, look like a blank or reorder text (Unicode TR 36).
bool is_deceptive(char32_t c);

// As escape_for_log(), but keeps UTF-8 characters that are not deceptive: for messages that a person reads.
std::string escape_for_reader(std::string_view text, std::size_t limit);

// The same without a limit, and keeps quotes and backslashes: for lines of a policy.
std::string escape_hidden(std::string_view text);

// escape_for_reader() in single quotes.
std::string in_quotes(std::string_view text, std::size_t limit = 200);

// escape_for_reader() in double quotes: for names of certificates.
std::string in_double_quotes(std::string_view text, std::size_t limit = 200);

// The selector without the quotes around its value: CN:two words of CN:"two words". Nothing if it has none.
std::optional<std::string> without_value_quotes(std::string_view selector);

// In single quotes, for the shell.
std::string shell_quoted(std::string_view text);

// The candidate nearest to `word`, if any (edit distance with transpositions, case-insensitive, at most 2).
std::optional<std::string> nearest_of(std::string_view word, std::span<const std::string_view> candidates);

// " (did you mean 'X'?)" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

// Strict UTF-8 (RFC 3629). Returns the code points, or nothing if the bytes are not valid.
std::optional<std::u32string> decode_utf8(std::string_view bytes);
void append_utf8(std::string& out, char32_t code_point);

// The raw digest.
std::string sha256(std::string_view data);

}  // namespace mtls
