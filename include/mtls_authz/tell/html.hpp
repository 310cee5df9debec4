// HTML pages: self-contained, without scripts, readable on a phone, in light and dark mode.
#pragma once

#include <string>
#include <string_view>

namespace mtls {

// Escapes text for HTML elements and quoted attributes. Valid UTF-8 stays; invalid bytes, invisible characters and
// bidirectional controls are shown as \xHH or \u{HHHH}.
std::string html_escape(std::string_view text);
std::string html_code(std::string_view text);  // the same inside <code>

// Whether the page has a form that sends what a person typed to its own server.
enum class HasForm { kNo, kYes };

// A whole document. `style` follows the common styles in its only <style> element.
std::string html_page(std::string_view title, std::string_view style, std::string_view body,
                      HasForm form = HasForm::kNo);

// The Content-Security-Policy of that document: allows only its own style element, by hash, and its form.
std::string html_policy(std::string_view style, HasForm form = HasForm::kNo);

}  // namespace mtls
