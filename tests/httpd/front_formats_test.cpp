// The formats of forwarded certificates, and headers in none of these formats.
#include <string>
#include <tuple>

#include "claims.hpp"
#include "front_fields.hpp"
#include "front_site.hpp"
#include "mtls_authz/base/text.hpp"

using namespace test;
using namespace test::fronts;

CLAIM(intermediates_come_in_the_chain_header) {
    const World& w = world();
    FrontSite s;
    const std::string chain = "Client-Cert-Chain: " + as_rfc9440(w.acme_sub);
    CHECK_EQUAL(s.through("/gate/chained", cert(w.acme_by_sub) + chain + "\r\n").status, 200);
    CHECK_EQUAL(s.through("/gate/alone", cert(w.acme_by_sub)).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/alone"), "not-verified");
    CHECK_EQUAL(s.through("/gate/bad", cert(w.acme_by_sub) + chain + "x\r\n").status, 403);
    CHECK_EQUAL(s.reason_for("/gate/bad"), "front-not-trusted");
    CHECK_CONTAINS(s.detail_for("/gate/bad"), "Client-Cert-Chain holds something else than Byte Sequences");
    CHECK_EQUAL(s.through("/gate/headless", chain + "\r\n").status, 403);
    CHECK_EQUAL(s.detail_for("/gate/headless"), "Client-Cert-Chain came without Client-Cert");
}

CLAIM(a_header_that_does_not_hold_exactly_one_certificate_is_refused) {
    const World& w = world();
    FrontSite s;
    const std::string value = as_rfc9440(w.acme);
    const std::string long_value = ":" + std::string(66000, 'A') + ":";
    const std::tuple<const char*, std::string, const char*> rows[] = {
        {"/gate/twice", cert(w.acme) + cert(w.acme), "Client-Cert holds more than one Byte Sequence, or occurs twice"},
        {"/gate/cases", cert(w.acme, "client-cert") + cert(w.acme, "CLIENT-CERT"), "holds more than one Byte Sequence"},
        {"/gate/spelled", cert(w.acme) + cert(w.acme, "client_cert"), "client_cert is another spelling of Client-Cert"},
        {"/gate/spelled2", cert(w.globex, "Client.Cert") + cert(w.acme), "Client.Cert is another spelling of"},
        {"/gate/spelled3", "ClientCert: \r\n" + cert(w.acme), "ClientCert is another spelling of"},
        // A front that sets nothing, since its client has no certificate, lets such a header through.
        {"/gate/alone", cert(w.acme, "client_cert"), "client_cert is another spelling of Client-Cert"},
        {"/gate/alone2", cert(w.acme, "ClientCert"), "ClientCert is another spelling of Client-Cert"},
        {"/gate/alone3", cert(w.acme, "Client.Cert"), "Client.Cert is another spelling of Client-Cert"},
        {"/gate/two", "Client-Cert: " + value + ", " + value + "\r\n", "holds more than one Byte Sequence"},
        {"/gate/behind", "Client-Cert: " + value + "x\r\n", "holds something behind its Byte Sequence"},
        {"/gate/concatenated", "Client-Cert: :" + mtls::base64(der_bytes(w.acme) + der_bytes(w.acme)) + ":\r\n",
         "holds something behind the certificate"},
        {"/gate/base64", "Client-Cert: :" + as_der(w.acme).substr(1) + ":\r\n", "Client-Cert "},
        {"/gate/letters", "Client-Cert: :!!!!:\r\n", "is a Byte Sequence that is no base64"},
        {"/gate/pem", "Client-Cert: " + as_pem_url(w.acme) + "\r\n", "is no Byte Sequence of RFC 9651"},
        {"/gate/empty", "Client-Cert: \r\n", "Client-Cert is empty"},
        {"/gate/chains", cert(w.acme) + "Client-Cert-Chain: " + value + "\r\nclient_cert_chain: " + value + "\r\n",
         "client_cert_chain is another spelling of Client-Cert-Chain"},
        {"/gate/chains2", cert(w.acme) + "client_cert_chain: " + value + "\r\n",
         "client_cert_chain is another spelling of Client-Cert-Chain"},
        {"/gate/long", "Client-Cert: " + long_value + "\r\n", "Client-Cert has 66002 bytes, more than 65536"},
    };
    for (const auto& [path, headers, detail] : rows) {
        CHECK_EQUAL(s.through(path, headers).status, 403);
        CHECK_EQUAL(s.reason_for(path), "front-not-trusted");
        CHECK_CONTAINS(s.detail_for(path), detail);
        CHECK_CONTAINS(s.log_about(path), " claimed=lb via=lb ");
    }
    // Case is no spelling (RFC 9110 5.1); HTTP/2 has lower case alone.
    CHECK_EQUAL(s.through("/gate/lower", cert(w.acme, "client-cert")).status, 200);
}

CLAIM(each_format_is_taken_from_the_front_that_speaks_it) {
    const World& w = world();
    const std::string pem_chain = percent_encoded(w.acme_by_sub.cert_pem() + w.acme_sub.cert_pem(), "+=/");
    const std::tuple<const char*, std::string, std::string> rows[] = {
        {"header=X-Cert format=pem-url", as_pem_url(w.acme), "%0A"},
        {"header=X-Cert format=pem-url", as_pem_url(w.acme, "+=/"), "x"},
        {"header=X-Cert chain=X-Cert format=pem-url", pem_chain, "x"},
        {"header=X-Cert format=der", as_der(w.acme), "="},
        {"header=X-Cert format=xfcc", as_xfcc(w.acme), "," + as_xfcc(w.acme)},
    };
    for (const auto& [line, value, more] : rows) {
        FrontSite s(kGate, std::string("MTLSFront ") + line);
        CHECK_EQUAL(s.through("/gate/good", "X-Cert: " + value + "\r\n").status, 200);
        CHECK_EQUAL(s.through("/gate/more", "X-Cert: " + value + more + "\r\n").status, 403);
        CHECK_EQUAL(s.reason_for("/gate/more"), "front-not-trusted");
        CHECK_EQUAL(s.through("/gate/other", cert(w.acme)).status, 403);
        CHECK_EQUAL(s.reason_for("/gate/other"), "not-allowed");
    }
}
