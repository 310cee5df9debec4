#include "mtls_authz/override_header.hpp"

#include <cstddef>

namespace mtls {

namespace {

struct Header {
    std::string_view key;  // letters and digits, in lower case
    Overrides what;
};

constexpr Header kHeaders[] = {
    {"xhttpmethod", Overrides::kMethod},          // X-HTTP-Method
    {"xhttpmethodoverride", Overrides::kMethod},  // X-HTTP-Method-Override
    {"xmethodoverride", Overrides::kMethod},      // X-Method-Override
    {"xoriginalurl", Overrides::kPath},           // X-Original-URL
    {"xrewriteurl", Overrides::kPath},            // X-Rewrite-URL
    {"xforwardeduri", Overrides::kPath},          // X-Forwarded-Uri
    {"xoriginalmethod", Overrides::kPath},        // X-Original-Method: sent along with the path
    {"xhttppathoverride", Overrides::kPath},      // X-HTTP-Path-Override
};

bool has_key(std::string_view header, std::string_view key) {
    std::size_t at = 0;
    for (const char c : header) {
        if (!is_alnum(c)) continue;
        if (at == key.size() || to_lower(c) != key[at]) return false;
        ++at;
    }
    return at == key.size();
}

}  // namespace

Overrides overrides(std::string_view header) noexcept {
    if (header.empty() || !may_override(header.front())) return Overrides::kNothing;
    for (const Header& known : kHeaders) {
        if (has_key(header, known.key)) return known.what;
    }
    return Overrides::kNothing;
}

}  // namespace mtls
