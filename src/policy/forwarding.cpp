#include "mtls_authz/policy/forwarding.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <new>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

// By header_key(). Removing or overwriting these would change the meaning of a request.
constexpr std::string_view kMeaningful[] = {"accept",
                                            "acceptencoding",
                                            "authorization",
                                            "cachecontrol",
                                            "connection",
                                            "contentlength",
                                            "contenttype",
                                            "cookie",
                                            "date",
                                            "expect",
                                            "expect100continue",
                                            "forwarded",
                                            "host",
                                            "http2settings",
                                            "ifmatch",
                                            "ifmodifiedsince",
                                            "ifnonematch",
                                            "ifrange",
                                            "ifunmodifiedsince",
                                            "keepalive",
                                            "origin",
                                            "pragma",
                                            "proxyauthorization",
                                            "proxyconnection",
                                            "range",
                                            "referer",
                                            "te",
                                            "trailer",
                                            "transferencoding",
                                            "upgrade",
                                            "useragent",
                                            "via",
                                            "contentencoding"};

}  // namespace

std::string client_cert_value(std::string_view base64_der) { return ":" + std::string(base64_der) + ":"; }

std::string client_cert_chain_value(const std::vector<X509Ptr>& chain) {
    std::string out;
    for (const X509Ptr& certificate : chain) {
        out += (out.empty() ? "" : ", ") + client_cert_value(base64(encode(i2d_X509, *certificate)));
    }
    return out;
}

std::string pem_value(std::string_view text) {
    constexpr std::size_t kLine = 64;
    std::string out = "-----BEGIN CERTIFICATE----- ";
    for (std::size_t at = 0; at < text.size(); at += kLine) out += std::string(text.substr(at, kLine)) + " ";
    return out + "-----END CERTIFICATE-----";
}

std::string header_key(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (is_alnum(c)) out += to_lower(c);
    }
    return out;
}

bool has_header_key(std::string_view name, std::string_view key) {
    for (const char c : name) {
        if (!is_alnum(c)) continue;
        if (key.empty() || to_lower(c) != key.front()) return false;
        key.remove_prefix(1);
    }
    return key.empty();
}

Result<std::string> parse_header_name(std::string_view name) {
    const std::string shown = "'" + escape_for_log(name, 100) + "'";
    if (!is_token(name) || header_key(name).empty()) {
        return Error{shown + " cannot be the name of a header: expected a name like X-Partner"};
    }
    const std::string key = header_key(name);
    if (std::find(std::begin(kMeaningful), std::end(kMeaningful), key) != std::end(kMeaningful)) {
        return Error{shown + " means something to HTTP itself: choose a name of your own, like X-Partner"};
    }
    return std::string(name);
}

std::string without_options(std::string_view connection, const std::vector<std::string>& keys) {
    constexpr std::string_view kSeparators = ",; \t\r\n\v\f";
    std::string out;
    while (!connection.empty()) {
        const std::size_t end = std::min(connection.find_first_of(kSeparators), connection.size());
        const std::string_view option = connection.substr(0, end);
        connection.remove_prefix(std::min(end + 1, connection.size()));
        const bool is_hidden = std::any_of(keys.begin(), keys.end(),
                                           [option](const std::string& key) { return has_header_key(option, key); });
        if (is_token(option) && !is_hidden) out += (out.empty() ? "" : ", ") + std::string(option);
    }
    return out;
}

}  // namespace mtls
