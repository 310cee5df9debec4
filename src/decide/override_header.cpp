#include "mtls_authz/decide/override_header.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace mtls {

namespace {

struct Header {
    std::string_view key;  // letters and digits, in lower case
    Overrides what;
};

constexpr Header kHeaders[] = {
    {"xhttpmethod", Overrides::kMethod},           // X-HTTP-Method
    {"xhttpmethodoverride", Overrides::kMethod},   // X-HTTP-Method-Override
    {"xmethodoverride", Overrides::kMethod},       // X-Method-Override
    {"xrequestmethod", Overrides::kMethod},        // X-Request-Method
    {"xhttpverb", Overrides::kMethod},             // X-HTTP-Verb
    {"xforwardedmethod", Overrides::kMethod},      // X-Forwarded-Method
    {"xenvoyoriginalmethod", Overrides::kMethod},  // X-Envoy-Original-Method
    {"xoriginalurl", Overrides::kPath},            // X-Original-URL
    {"xoriginaluri", Overrides::kPath},            // X-Original-URI
    {"xoriginalpath", Overrides::kPath},           // X-Original-Path
    {"xoriginalmethod", Overrides::kPath},         // X-Original-Method: sent together with the path
    {"xrewriteurl", Overrides::kPath},             // X-Rewrite-URL
    {"xrewriteuri", Overrides::kPath},             // X-Rewrite-URI
    {"xrequesturi", Overrides::kPath},             // X-Request-URI
    {"xoverrideurl", Overrides::kPath},            // X-Override-URL
    {"xforwardeduri", Overrides::kPath},           // X-Forwarded-Uri
    {"xforwardedpath", Overrides::kPath},          // X-Forwarded-Path
    {"xhttppathoverride", Overrides::kPath},       // X-HTTP-Path-Override
    {"xenvoyoriginalpath", Overrides::kPath},      // X-Envoy-Original-Path
    {"xwawsunencodedurl", Overrides::kPath},       // X-Waws-Unencoded-Url
    {"xproxyurl", Overrides::kPath},               // X-Proxy-URL
    {"scriptname", Overrides::kPath},              // SCRIPT_NAME: servers of WSGI cut it off the path
    {"xscriptname", Overrides::kPath},             // X-Script-Name: the same in applications
    {"pathinfo", Overrides::kPath},                // PATH_INFO: the path that is left
    {"newuri", Overrides::kPath},                  // New-uri: mod_dav's Destination where that is missing
};

constexpr std::size_t kLongestKey = [] {
    std::size_t out = 0;
    for (const Header& header : kHeaders) out = std::max(out, header.key.size());
    return out;
}();

}  // namespace

Overrides overrides(std::string_view header) noexcept {
    if (header.empty() || !may_override(header.front())) return Overrides::kNothing;
    std::array<char, kLongestKey> room{};
    std::size_t size = 0;
    for (const char c : header) {
        if (!is_alnum(c)) continue;
        if (size == room.size()) return Overrides::kNothing;
        room[size++] = to_lower(c);
    }
    const std::string_view key(room.data(), size);
    for (const Header& entry : kHeaders) {
        if (key == entry.key) return entry.what;
    }
    return Overrides::kNothing;
}

}  // namespace mtls
