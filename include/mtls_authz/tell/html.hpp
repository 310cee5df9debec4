// Pages for people: self-contained, without scripts, readable on a phone, by day and night.
#pragma once

#include <string>
#include <string_view>

namespace mtls {

// Text made safe for HTML, in elements and quoted attributes. UTF-8 stays readable; what is invalid, invisible or turns
// the direction of writing is shown as \xHH or \u{HHHH}.
std::string html_escape(std::string_view text);
std::string html_code(std::string_view text);  // the same inside <code>

// Whether a page asks its own server with what a person typed.
enum class HasForm { kNo, kYes };

// A whole document. `style` goes into its one <style> element, after what all pages have in common.
std::string html_page(std::string_view title, std::string_view style, std::string_view body,
                      HasForm form = HasForm::kNo);

// The Content-Security-Policy of that document: nothing but its own style element, named by its hash, and its form.
std::string html_policy(std::string_view style, HasForm form = HasForm::kNo);

}  // namespace mtls
