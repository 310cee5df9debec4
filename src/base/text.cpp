#include "mtls_authz/base/text.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <new>

#include "mtls_authz/base/digest.hpp"

namespace mtls {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), to_lower);
    return out;
}

bool equal_nocase(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::string base64(std::string_view raw) {
    std::string out((raw.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(raw).data(),
                                     static_cast<int>(raw.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string base64url(std::string_view raw) {
    std::string out = base64(raw);
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::string hex(std::span<const std::uint8_t> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out(bytes.size() * 2, '\0');
    char* next = out.data();
    for (const std::uint8_t b : bytes) {
        *next++ = kDigits[b >> 4];
        *next++ = kDigits[b & 15];
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    std::string out(text.size() / 4 * 3, '\0');
    const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(text).data(),
                                  static_cast<int>(text.size()));
    if (n < 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    out.resize(static_cast<std::size_t>(n) - padding);
    return out;
}

int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    const char l = to_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::optional<std::string> from_hex(std::string_view text, bool colons) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (colons && i > 0 && text[i] == ':') ++i;
        if (i + 1 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i]);
        const int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::vector<std::string> config_words(std::string_view line) {
    std::vector<std::string> words;
    std::size_t i = 0;
    for (;;) {
        while (i < line.size() && is_blank(line[i])) ++i;
        if (i == line.size()) return words;
        const char first = line[i];
        const bool is_quoted = first == '"' || first == '\'';
        if (is_quoted) ++i;
        const auto ends = [&](char c) { return is_quoted ? c == first : is_blank(c); };
        std::string& word = words.emplace_back();
        // The part before the first backslash, nearly always the whole word.
        std::size_t plain = i;
        while (plain < line.size() && line[plain] != '\\' && !ends(line[plain])) ++plain;
        word.assign(line, i, plain - i);
        for (i = plain; i < line.size() && !ends(line[i]); ++i) {
            const char next = i + 1 < line.size() ? line[i + 1] : '\0';
            if (line[i] == '\\' && (next == '\\' || (is_quoted && next == first))) ++i;
            word += line[i];
        }
        if (is_quoted && i < line.size()) ++i;
    }
}

std::string_view trailing_comment(std::string_view line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (is_blank(line[i])) continue;
        if (line[i] == '#') return line.substr(i);
        const char first = line[i];
        const bool is_quoted = first == '"' || first == '\'';
        if (is_quoted) ++i;
        while (i < line.size() && (is_quoted ? line[i] != first : !is_blank(line[i]))) {
            const bool is_escape = is_quoted && line[i] == '\\' && i + 1 < line.size();
            i += is_escape && (line[i + 1] == '\\' || line[i + 1] == first) ? 2 : 1;
        }
    }
    return {};
}

void append_config_quoted(std::string& out, std::string_view word) {
    const bool plain = !word.empty() && word.front() != '"' && word.front() != '\'' && word.front() != '#' &&
                       std::none_of(word.begin(), word.end(), [](char c) { return c == '\\' || is_blank(c); });
    if (plain) {
        out += word;
        return;
    }
    out += '"';
    for (const char c : word) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

std::string config_quote(std::string_view word) {
    std::string out;
    append_config_quoted(out, word);
    return out;
}

void append_for_log(std::string& out, std::string_view text, std::size_t limit) {
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
    constexpr std::size_t kDots = 3, kEscape = 4;
    std::size_t room = limit - std::min(limit, kDots);
    for (auto at = text.begin(); at != text.end();) {
        const auto end = std::find_if_not(at, text.end(), is_plain);
        const std::size_t plain = std::min(room, static_cast<std::size_t>(end - at));
        out.append(at, at + static_cast<std::ptrdiff_t>(plain));
        room -= plain;
        at += static_cast<std::ptrdiff_t>(plain);
        if (at == text.end()) return;
        if (at != end || room < kEscape) {
            out += "...";
            return;
        }
        const auto byte = static_cast<std::uint8_t>(*at++);
        out.append("\\x").append(hex({&byte, 1}));
        room -= kEscape;
    }
}

std::string escape_for_log(std::string_view text, std::size_t limit) {
    std::string out;
    append_for_log(out, text, limit);
    return out;
}

bool is_deceptive(char32_t c) {
    const auto between = [c](char32_t from, char32_t to) { return from <= c && c <= to; };
    return c < 0x20 || between(0x7f, 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || between(0x2000, 0x200f) ||
           between(0x2028, 0x202f) || between(0x205f, 0x206f) || c == 0xfeff || between(0xfff0, 0xfffb) || c >= 0xe0000;
}

namespace {

// `kept`: ASCII characters that need no escape here.
std::string escape_for_reader(std::string_view text, std::size_t limit, std::string_view kept) {
    std::string out;
    while (!text.empty()) {
        const auto lead = static_cast<std::uint8_t>(text.front());
        const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        const std::string_view character = text.substr(0, length);
        const auto code = length > 1 ? decode_utf8(character) : std::nullopt;
        const bool is_kept =
            length == 1 ? kept.find(text.front()) != std::string_view::npos : code && !is_deceptive(code->front());
        const std::string_view taken = is_kept ? character : text.substr(0, 1);
        const std::string shown = is_kept ? std::string(taken) : escape_for_log(taken, 8);
        if (out.size() + shown.size() + 3 > limit) return out + "...";
        out += shown;
        text.remove_prefix(taken.size());
    }
    return out;
}

}  // namespace

std::string escape_for_reader(std::string_view text, std::size_t limit) { return escape_for_reader(text, limit, " "); }
std::string escape_hidden(std::string_view text) { return escape_for_reader(text, std::string::npos, "\"\\"); }

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t kLongest = 40;
    if (a.size() > kLongest || b.size() > kLongest) return kLongest;
    std::array<std::array<std::size_t, kLongest + 1>, kLongest + 1> d{};
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest_of(std::string_view word, std::span<const std::string_view> candidates) {
    const std::string folded = lower(word);
    std::optional<std::string> best;
    std::size_t best_distance = word.size() < 4 ? 2 : 3;
    for (const std::string_view candidate : candidates) {
        const auto [shorter, longer] = std::minmax({candidate.size(), folded.size()});  // by value
        if (longer - shorter >= best_distance) continue;
        const std::size_t distance = edit_distance(folded, lower(candidate));
        if (distance < best_distance) {
            best_distance = distance;
            best = std::string(candidate);
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
    // A word that is itself a candidate needs no suggestion.
    if (std::find(candidates.begin(), candidates.end(), word) != candidates.end()) return {};
    const auto near = nearest_of(word, candidates);
    return near ? " (did you mean '" + *near + "'?)" : "";
}

std::optional<std::u32string> decode_utf8(std::string_view bytes) {
    std::u32string out;
    out.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size();) {
        const auto lead = static_cast<std::uint8_t>(bytes[i]);
        std::size_t length = 0;
        char32_t code = 0;
        char32_t smallest = 0;
        if (lead < 0x80) {
            length = 1, code = lead;
        } else if ((lead & 0xe0) == 0xc0) {
            length = 2, code = lead & 0x1f, smallest = 0x80;
        } else if ((lead & 0xf0) == 0xe0) {
            length = 3, code = lead & 0x0f, smallest = 0x800;
        } else if ((lead & 0xf8) == 0xf0) {
            length = 4, code = lead & 0x07, smallest = 0x10000;
        } else {
            return std::nullopt;
        }
        if (i + length > bytes.size()) return std::nullopt;
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<std::uint8_t>(bytes[i + k]);
            if ((next & 0xc0) != 0x80) return std::nullopt;
            code = (code << 6) | (next & 0x3f);
        }
        if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return std::nullopt;
        out += code;
        i += length;
    }
    return out;
}

void append_utf8(std::string& out, char32_t code) {
    const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | (code >> 6)), put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | (code >> 12)), put(0x80 | ((code >> 6) & 0x3f)), put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | (code >> 18)), put(0x80 | ((code >> 12) & 0x3f));
        put(0x80 | ((code >> 6) & 0x3f)), put(0x80 | (code & 0x3f));
    }
}

std::string sha256(std::string_view data) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
    if (EVP_Digest(data.data(), data.size(), bytes, nullptr, &sha256_algorithm(), nullptr) != 1) throw std::bad_alloc();
    return out;
}

std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string comment_fault(std::string_view args) {
    const std::string_view comment = trailing_comment(args);
    if (comment.empty()) return {};
    return in_quotes(comment, 60) + ": a comment has a line of its own (a word that begins with '#' is quoted)";
}

std::optional<std::string> without_value_quotes(std::string_view selector) {
    const std::size_t colon = selector.find(':');
    const std::string_view value = colon == std::string_view::npos ? std::string_view() : selector.substr(colon + 1);
    const bool is_quoted =
        value.size() > 1 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
    if (!is_quoted) return std::nullopt;
    return std::string(selector.substr(0, colon + 1)) + std::string(value.substr(1, value.size() - 2));
}

std::string in_double_quotes(std::string_view text, std::size_t limit) {
    return "\"" + escape_for_reader(text, limit) + "\"";
}

std::string in_quotes(std::string_view text, std::size_t limit) {
    return "'" + escape_for_reader(text, limit, "\"") + "'";
}

}  // namespace mtls
