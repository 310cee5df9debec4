
#include "policy_text.hpp"

#include <algorithm>

#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls::tool {

std::string partner_name_of(std::string_view text) {
    std::string out;
    constexpr std::size_t kLongest = 40;
    for (const char c : lower(text)) {
        if (is_alnum(c)) out += c;
        if (!is_alnum(c) && !out.empty() && out.back() != '-') out += '-';
        if (out.size() == kLongest) break;
    }
    while (out.ends_with('-')) out.pop_back();
    return is_valid_name(out) && !is_reserved_name(out) ? out : std::string();
}

bool is_writable(std::string_view text) {
    if (text.find("${") != std::string_view::npos) return false;
    return std::none_of(text.begin(), text.end(), is_ascii_control);
}

std::string fault_of_literal(const std::string& selector) {
    const auto parsed = Selector::parse(selector);
    if (!parsed.ok()) return {};
    const std::size_t colon = selector.find(':');
    const std::string type = selector.substr(0, colon), value = selector.substr(colon + 1);
    const char* other = nullptr;
    if (!parsed.value().selector().is_exact()) other = "a wildcard or a network";
    // In OpenSSL's one-line form, '#' is a character of the text.
    if (value.starts_with('#') || (value.starts_with('/') && value.find("=#") != std::string::npos))
        other = "the hex of an encoding";
    if (other == nullptr) return {};
    return "compares with the text '" + shown(value) + "', which " + type + ": would take for " + other;
}

}  // namespace mtls::tool
