// Formats certificates for request headers to the backend.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// RFC 9440 2: the header fields, and their values: a Byte Sequence (RFC 8941 3.3.5), and a List of them.
constexpr const char* kClientCert = "Client-Cert";
constexpr const char* kClientCertChain = "Client-Cert-Chain";
// `base64_der`: the DER encoding of the leaf in base64.
std::string client_cert_value(std::string_view base64_der);
// From the leaf's issuer upwards; empty if `chain` is.
std::string client_cert_chain_value(const std::vector<X509Ptr>& chain);

// PEM on one line, with blanks instead of line ends: the format of Tomcat's SSLValve and of others that follow mod_ssl.
std::string pem_value(std::string_view base64_der);

// PEM, percent-encoded byte for byte as nginx's $ssl_client_escaped_cert: all but `A-Z a-z 0-9 - . _ ~` becomes %HH.
std::string pem_url_value(std::string_view base64_der);

// Envoy's X-Forwarded-Client-Cert: one element with Hash, Cert, Chain (the leaf and `chain`; left out if that is
// empty), Subject, URI and DNS. No value contains a quote or a backslash before a quote, so that every reader finds
// the same end: in Subject these two are \22 and \5C (RFC 4514 2.4), and URI and DNS entries with a character that no
// URI contains (RFC 3986 2) are left out.
constexpr const char* kXForwardedClientCert = "X-Forwarded-Client-Cert";
std::string xfcc_value(const CertificateFacts& facts, std::string_view base64_der, const std::vector<X509Ptr>& chain);

// Any text as a header value: control and non-ASCII bytes, `%`, and a blank at either end become %HH.
std::string header_text(std::string_view text);

// The letters and digits of a header name, in lower case: backends may treat names with the same key as equal. CGI
// turns `-` into `_`, and some servers drop unusual characters.
std::string header_key(std::string_view name);
// Whether header_key(name) is `key`.
bool has_header_key(std::string_view name, std::string_view key);

// A set of header names. The first byte rules out most headers without a comparison.
class HeaderKeys {
public:
    void add(std::string key);
    bool empty() const { return keys_.empty(); }
    bool has(std::string_view name) const noexcept {
        return !name.empty() && may_begin_[static_cast<unsigned char>(name.front())] && is_among(name);
    }

private:
    bool is_among(std::string_view name) const noexcept;

    std::vector<std::string> keys_;
    std::array<bool, 256> may_begin_{};
};

// Accepts a name for a custom header: a token (RFC 9110 5.6.2) without a meaning in HTTP.
Result<std::string> parse_header_name(std::string_view name);

// What a Connection field may not name, since proxies would remove it.
using IsHidden = std::function<bool(std::string_view)>;
// The value of a Connection field without the options that are hidden, as a new list of tokens (RFC 9110
// 7.6.1), so that every proxy parses it the same way: mod_proxy also splits at `;` and blanks, and knows quotes. Drops
// options that are not tokens.
std::string without_options(std::string_view connection, const IsHidden& is_hidden);
// Whether it may stay as it is: a list of tokens, none of them hidden.
bool are_options_without(std::string_view connection, const IsHidden& is_hidden);

}  // namespace mtls
