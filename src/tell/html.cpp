#include "mtls_authz/tell/html.hpp"

#include <array>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kCommonStyle = R"(
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #b00020; --warn: #8a5a00; --good: #0a6b2d; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --warn: #ffc766; --good: #7ee2a0; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
.note { opacity: .75; margin: 0 0 1rem; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 0 0 1rem; break-inside: avoid; }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .25rem 1rem; margin: 0; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin: 0 0 .5rem; } }
@media print { body { max-width: none; font-size: 11pt; padding: 0; } section { border-color: #999; } }
)";

std::string style_of(std::string_view style) { return std::string(kCommonStyle) + std::string(style); }

std::string code_point_text(char32_t c) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string digits;
    for (; c != 0; c >>= 4U) digits.insert(digits.begin(), kDigits[c & 0xfU]);
    return "\\u{" + (digits.empty() ? "0" : digits) + "}";
}

void append_character(std::string& out, std::string_view bytes, char32_t c) {
    static constexpr std::array<std::pair<char32_t, std::string_view>, 5> kEntities = {
        {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}, {'\'', "&#39;"}}};
    for (const auto& [character, entity] : kEntities) {
        if (c != character) continue;
        out += entity;
        return;
    }
    out += is_deceptive(c) ? code_point_text(c) : std::string(bytes);
}

}  // namespace

std::string html_escape(std::string_view text) {
    constexpr std::size_t kLongestCharacter = 4;
    std::string out;
    while (!text.empty()) {
        std::size_t size = 1;
        std::optional<std::u32string> character;
        while (size <= std::min(kLongestCharacter, text.size())) {
            character = decode_utf8(text.substr(0, size));
            if (character) break;
            ++size;
        }
        if (character) {
            append_character(out, text.substr(0, size), character->front());
        } else {
            size = 1;
            out += "\\x" + hex(bytes_of(text.substr(0, 1)));
        }
        text.remove_prefix(size);
    }
    return out;
}

std::string html_code(std::string_view text) { return "<code>" + html_escape(text) + "</code>"; }

std::string html_policy(std::string_view style, HasForm form) {
    return "default-src 'none'; style-src 'sha256-" + base64(sha256(style_of(style))) +
           "'; base-uri 'none'; form-action " + (form == HasForm::kYes ? "'self'" : "'none'");
}

std::string html_page(std::string_view title, std::string_view style, std::string_view body, HasForm form) {
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
        html_policy(style, form) + "\">\n<title>" + html_escape(title) + "</title>\n<style>" + style_of(style) +
        "</style>\n</head>\n<body>\n";
    out += body;
    return out + "</body>\n</html>\n";
}

}  // namespace mtls
