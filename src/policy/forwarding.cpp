#include "mtls_authz/policy/forwarding.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <cstdint>
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
    return joined(chain, ", ",
                  [](const X509Ptr& certificate) { return client_cert_value(base64(encode(i2d_X509, *certificate))); });
}

std::string pem_value(std::string_view text) {
    constexpr std::size_t kLine = 64;
    std::string out = "-----BEGIN CERTIFICATE----- ";
    for (std::size_t at = 0; at < text.size(); at += kLine) out += std::string(text.substr(at, kLine)) + " ";
    return out + "-----END CERTIFICATE-----";
}

namespace {

void append_hex(std::string& out, char prefix, char c) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    const auto byte = static_cast<std::uint8_t>(c);
    out += {prefix, kDigits[byte >> 4], kDigits[byte & 15]};
}

// RFC 3986 2.2 and 2.3, and `%`.
bool is_uri_character(char c) {
    return is_alnum(c) || std::string_view("-._~:/?#[]@!$&'()*+,;=%").find(c) != std::string_view::npos;
}

bool is_printable(char c) { return c >= 0x20 && c < 0x7f; }

// RFC 4514 text in printable ASCII, in which no quote occurs.
std::string subject_value(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char next = i + 1 < name.size() ? name[i + 1] : '\0';
        if (name[i] == '\\' && (next == '"' || next == '\\')) {
            append_hex(out, '\\', next);
            ++i;
        } else if (!is_printable(name[i]) || name[i] == '"') {
            append_hex(out, '\\', name[i]);
        } else {
            out += name[i];
        }
    }
    return out;
}

// The next option of a Connection field; empty between two separators.
std::string_view take_option(std::string_view& connection, std::string_view separators) {
    const std::size_t end = std::min(connection.find_first_of(separators), connection.size());
    const std::string_view option = connection.substr(0, end);
    connection.remove_prefix(std::min(end + 1, connection.size()));
    return option;
}

void append_names(std::string& out, const char* key, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        if (name.empty() || !std::all_of(name.begin(), name.end(), is_uri_character)) continue;
        const char* const quote = name.find_first_of(",;=") != std::string::npos ? "\"" : "";
        out += key + (quote + name) + quote;
    }
}

}  // namespace

std::string pem_url_value(std::string_view text) {
    constexpr std::size_t kLine = 64;
    std::string out = "-----BEGIN%20CERTIFICATE-----%0A";
    for (std::size_t at = 0; at < text.size(); at += kLine) {
        for (const char c : text.substr(at, kLine)) {
            if (is_alnum(c)) {
                out += c;
            } else {
                append_hex(out, '%', c);
            }
        }
        out += "%0A";
    }
    return out + "-----END%20CERTIFICATE-----%0A";
}

std::string xfcc_value(const CertificateFacts& facts, std::string_view base64_der, const std::vector<X509Ptr>& chain) {
    const std::string leaf = pem_url_value(base64_der);
    std::string out = "Hash=" + hex(bytes_of(facts.sha256)) + ";Cert=\"" + leaf + '"';
    if (!chain.empty()) {
        out += ";Chain=\"" + leaf;
        for (const X509Ptr& certificate : chain) out += pem_url_value(base64(encode(i2d_X509, *certificate)));
        out += '"';
    }
    out += ";Subject=\"" + subject_value(facts.subject.text()) + '"';
    append_names(out, ";URI=", facts.uri);
    append_names(out, ";DNS=", facts.dns);
    return out;
}

std::string header_text(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_edge = i == 0 || i + 1 == text.size();
        if (!is_printable(c) || c == '%' || (c == ' ' && is_edge)) {
            append_hex(out, '%', c);
        } else {
            out += c;
        }
    }
    return out;
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

void HeaderKeys::add(std::string key) {
    if (key.empty() || std::find(keys_.begin(), keys_.end(), key) != keys_.end()) return;
    for (std::size_t c = 0; c < may_begin_.size(); ++c) {
        may_begin_[c] = may_begin_[c] || may_begin(static_cast<char>(c), key.front());
    }
    keys_.push_back(std::move(key));
}

bool HeaderKeys::is_among(std::string_view name) const noexcept {
    return std::any_of(keys_.begin(), keys_.end(),
                       [name](const std::string& key) { return has_header_key(name, key); });
}

Result<std::string> parse_header_name(std::string_view name) {
    const std::string shown = in_quotes(name, 100);
    if (!is_token(name) || header_key(name).empty()) {
        return Error{shown + " cannot be the name of a header: expected a name like X-Partner"};
    }
    const std::string key = header_key(name);
    if (std::find(std::begin(kMeaningful), std::end(kMeaningful), key) != std::end(kMeaningful)) {
        return Error{shown + " means something to HTTP itself: choose a name of your own, like X-Partner"};
    }
    return std::string(name);
}

std::string without_options(std::string_view connection, const IsHidden& is_hidden) {
    std::string out;
    while (!connection.empty()) {
        const std::string_view option = take_option(connection, ",; \t\r\n\v\f");
        if (is_token(option) && !is_hidden(option)) out += (out.empty() ? "" : ", ") + std::string(option);
    }
    return out;
}

bool are_options_without(std::string_view connection, const IsHidden& is_hidden) {
    while (!connection.empty()) {
        const std::string_view option = take_option(connection, ", ");
        if (!option.empty() && (!is_token(option) || is_hidden(option))) return false;
    }
    return true;
}

}  // namespace mtls
