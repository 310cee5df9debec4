// Certificates in the header formats of fronts.
#pragma once

#include <string>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "pki.hpp"

namespace test {

inline std::string der_bytes(const Identity& id) { return mtls::encode(i2d_X509, *id.cert); }

inline std::string as_rfc9440(const Identity& id) {
    return mtls::client_cert_value(mtls::base64(mtls::encode(i2d_X509, *id.cert)));
}

inline std::string as_der(const Identity& id) { return mtls::base64(der_bytes(id)); }

// Escaped as nginx does; characters in `safe` stay, as with AWS's `+=/`.
inline std::string percent_encoded(const std::string& text, const std::string& safe = "") {
    std::string out;
    for (const char c : text) {
        const bool stays = mtls::is_alnum(c) || c == '-' || safe.find(c) != std::string::npos;
        const std::string digits = mtls::hex(mtls::bytes_of({&c, 1}));
        if (stays) out += c;
        if (!stays) out += "%" + digits;
    }
    return out;
}

inline std::string as_pem_url(const Identity& id, const std::string& safe = "") {
    return percent_encoded(id.cert_pem(), safe);
}

inline std::string as_xfcc(const Identity& id) {
    return "By=spiffe://mesh/web;Hash=" + hex_sha256(id) + ";Cert=\"" + as_pem_url(id) +
           "\";Subject=\"CN=\\\"x\\\", O=y;z\";URI=";
}

}  // namespace test
