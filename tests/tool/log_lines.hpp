// Lines of the logs, as the module writes them.
#pragma once

#include <memory>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/tell/account.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace test {

inline mtls::Account account(mtls::Reason reason) {
    mtls::Account out;
    out.outcome = reason == mtls::Reason::kGranted ? mtls::Outcome::kAllow : mtls::Outcome::kDeny;
    out.reason = reason;
    out.claimed = "acme";
    out.via = "edge-lb";
    out.gate = "/etc/httpd.conf:12";
    out.method = "POST";
    out.path = "/orders/1";
    out.vhost = "x.example:443";
    out.request_id = "Zx-1_q";
    out.tls = "1.3";
    auto certificate = std::make_shared<mtls::CertificateText>();
    certificate->subject = "CN=api,O=Acm\xc3\xa9";
    certificate->san = "DNS:api.acme.example,DNS:b.example";
    certificate->issuer = "CN=Acme CA";
    certificate->sha256 = std::string(64, 'a');
    out.certificate = certificate;
    return out;
}

inline std::string denial(const mtls::Account& a) {
    return "[Thu Nov 26 18:00:00.1 2026] [mtls_authz:error] [pid 1] [client 10.0.0.1:1] mtls_authz: " +
           denial_line(a, "denied") + ", referer: https://x.example/?reason=granted";
}

inline std::string handshake(const mtls::HandshakeRefusalText& text) {
    return "[client 10.0.0.1:1] mtls_authz: refused handshake: reason=" + std::string(text.word) +
           " detail=\"why reason=x\" claimed=acme vhost=x:443 at=\"CN=api\" subject=\"CN=api\" san=\"\" "
           "issuer=\"CN=Stranger\" serial=1 not_after=2027-01-01T00:00:00Z sha256=ab: " +
           std::string(text.sentence);
}

}  // namespace test
