// Handing a client's certificate to the application behind, in header fields.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

// RFC 9440 2: the fields, and their values: a Byte Sequence (RFC 8941 3.3.5), and a List of them.
constexpr const char* kClientCert = "Client-Cert";
constexpr const char* kClientCertChain = "Client-Cert-Chain";
// `base64_der`: of the leaf.
std::string client_cert_value(std::string_view base64_der);
// From the leaf's issuer upwards; empty where there is none.
std::string client_cert_chain_value(const std::vector<X509Ptr>& chain);

// PEM on one line, blanks in place of line ends: as Tomcat's SSLValve, and what copies mod_ssl's habit, read it.
std::string pem_value(std::string_view base64_der);

// All that a backend may take for the same name: letters and digits, in lower case. CGI turns `-` into `_`, some
// servers drop what they do not know.
std::string header_key(std::string_view name);
// Whether header_key(name) is `key`.
bool has_header_key(std::string_view name, std::string_view key);

// A name that may be chosen for a header of one's own: a token (RFC 9110 5.6.2) that HTTP gives no meaning to.
Result<std::string> parse_header_name(std::string_view name);

// A Connection field's value without the options whose keys are among `keys`, written anew as a list of tokens (RFC
// 9110 7.6.1), so that every proxy reads it alike: mod_proxy splits also at `;` and blanks, and knows quotes. What is
// no token is left out.
std::string without_options(std::string_view connection, const std::vector<std::string>& keys);

}  // namespace mtls
