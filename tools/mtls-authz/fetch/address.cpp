
#include "address.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls::tool {

namespace {

using CurlUrlPtr = std::unique_ptr<CURLU, FreeWith<curl_url_cleanup>>;
using CurlTextPtr = std::unique_ptr<char, FreeWith<curl_free>>;

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
    const CurlTextPtr owner(text);
    return text;
}

struct Special {
    const char* block;
    const char* kind;
};
// Blocks of IANA's special-purpose registries where a server may answer, and addresses where clouds serve credentials
// (169.254.169.254 and fd00:ec2::254 are in larger blocks).
constexpr Special kSpecialV4[] = {
    {"0.0.0.0/8", "this host's own"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "a carrier's private"},
    {"127.0.0.0/8", "a loopback"},
    {"168.63.129.16", "a cloud's metadata"},
    {"169.254.0.0/16", "a link-local"},
    {"172.16.0.0/12", "private"},
    {"192.0.0.0/24", "reserved"},
    {"192.168.0.0/16", "private"},
    {"198.18.0.0/15", "reserved"},
    {"224.0.0.0/4", "a multicast"},
    {"240.0.0.0/4", "reserved"},
};
constexpr Special kSpecialV6[] = {
    {"::1", "a loopback"},       {"fc00::/7", "private"},   {"fe80::/10", "a link-local"}, {"fec0::/10", "private"},
    {"ff00::/8", "a multicast"}, {"2001::/23", "reserved"}, {"64:ff9b:1::/48", "private"}, {"5f00::/16", "reserved"},
};
constexpr const char* kGlobalV6 = "2000::/3";

Network block(const char* text) { return Network::parse(text).value(); }

// The IPv4 address that an IPv6 address embeds; other addresses unchanged.
std::string_view without_translation(std::string_view raw) {
    constexpr std::size_t kV4 = 4, kPrefixOf6to4 = 2;
    static const Network kNat64 = block("64:ff9b::/96"), k6to4 = block("2002::/16"), kCompatible = block("::/96");
    const std::string_view plain = without_mapping(raw);
    if (kNat64.contains(plain)) return plain.substr(plain.size() - kV4);
    if (k6to4.contains(plain)) return plain.substr(kPrefixOf6to4, kV4);
    if (kCompatible.contains(plain) && plain != address_from_text("::1") && plain != address_from_text("::")) {
        return plain.substr(plain.size() - kV4);
    }
    return plain;
}

const char* kind_of(std::string_view raw) {
    for (const auto& [text, kind] : kSpecialV4) {
        if (block(text).contains(raw)) return kind;
    }
    for (const auto& [text, kind] : kSpecialV6) {
        if (block(text).contains(raw)) return kind;
    }
    constexpr std::size_t kV6 = 16;
    return raw.size() == kV6 && !block(kGlobalV6).contains(raw) ? "no public" : nullptr;
}

}  // namespace

Result<Url> parse_url(const std::string& text) {
    const std::string quoted = "'" + escape_for_log(text, 200) + "'";
    const CurlUrlPtr url(curl_url());
    if (!url) throw std::bad_alloc();
    if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
        return Error{quoted + " is no URL: expected http://HOST/PATH or https://HOST/PATH"};
    }
    Url out;
    out.text = text;
    out.scheme = lower(part_of(url.get(), CURLUPART_SCHEME));
    if (out.scheme != "http" && out.scheme != "https") return Error{quoted + " is neither http nor https"};
    if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_PASSWORD).empty()) {
        return Error{quoted + " has a user name or password in it"};
    }
    out.host = lower(part_of(url.get(), CURLUPART_HOST));
    if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
    out.port = part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
    out.is_default_port = out.port == (out.scheme == "http" ? "80" : "443");
    return out;
}

bool is_same_server(const Url& from, const Url& to) {
    const bool is_same_port = from.port == to.port || (from.is_default_port && to.is_default_port);
    return from.host == to.host && is_same_port && (from.scheme == to.scheme || to.scheme == "https");
}

std::string ReachableNetworks::objection_to(std::string_view raw) const {
    const std::string_view mapped = without_mapping(raw);
    const std::string_view meant = without_translation(raw);
    const char* const kind = kind_of(meant);
    if (kind == nullptr) return {};
    for (const std::string_view address : {mapped, meant}) {
        if (std::any_of(named_.begin(), named_.end(), [&](const Network& n) { return n.contains(address); })) return {};
    }
    return ip_text(mapped) + " is " + kind + " address: --allow-network " + ip_text(meant) +
           " allows it, if this server is meant to ask there";
}

}  // namespace mtls::tool
