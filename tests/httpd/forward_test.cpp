// MTLSForward: a backend gets certificate and partner after a grant, and from nobody else.
#include "claims.hpp"
#include "echo_backend.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "web_servers.hpp"
#include "world.hpp"

using namespace test;

namespace {

// The value of a header in what the backend got, or "" where it got none; names compare as HTTP has them.
std::string header(const std::string& request, const std::string& name) {
    std::size_t at = request.find("\r\n");
    while (at != std::string::npos) {
        const std::size_t start = at + 2;
        at = request.find("\r\n", start);
        const std::string line = request.substr(start, at - start);
        const std::size_t colon = line.find(':');
        if (colon != std::string::npos && mtls::equal_nocase(line.substr(0, colon), name)) {
            return std::string(mtls::trim(line.substr(colon + 1)));
        }
    }
    return {};
}

struct Proxied {
    Site site;
    EchoBackend backend;
    explicit Proxied(const std::string& lines, const std::string& vhost = "")
        : site(), backend(site.httpd.next_port()) {
        const std::string pass = backend.pass("/app") + backend.pass("/open");
        site.load("proxy").load("proxy_http").vhost(vhost + pass).start(pass + lines);
    }
};

const char* const kGate =
    "<Location /app>\n MTLSAllow any-partner\n MTLSForward cert=rfc9440 partner=X-Partner\n</Location>\n";

const char* const kForgeries =
    "Client-Cert: :Zm9yZ2Vk:\r\nclient_cert: forged\r\nCLIENT-CERT: forged\r\nClient.Cert: forged\r\n"
    "Client-Cert-Chain: forged\r\nClientCertChain: forged\r\nX_Partner: forged\r\nx-partner: forged\r\n"
    "X-Partner: forged\r\nXPartner: forged\r\nX--Partner: forged\r\n";

std::string der_of(const Identity& id) {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(id.cert.get(), &bytes);
    std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return out;
}

}  // namespace

CLAIM(a_backend_gets_certificate_chain_and_partner_after_a_grant_alone) {
    const World& w = world();
    Proxied p(std::string(kGate) + "<Location /open>\n MTLSAllow any-partner\n</Location>\n");
    const Response plain = p.site.get(&w.acme, "/app/x");
    CHECK_EQUAL(plain.status, 200);
    CHECK_EQUAL(header(plain.body, "Client-Cert"), ":" + mtls::base64(der_of(w.acme)) + ":");
    CHECK_EQUAL(header(plain.body, "X-Partner"), "acme");
    CHECK_EQUAL(header(plain.body, "Client-Cert-Chain"), "");
    ClientOptions options;
    options.identity = &w.acme_by_sub;
    options.chain = {&w.acme_sub};
    const std::string chained = TlsClient(p.site.httpd.port(), options).get("/app/x").body;
    CHECK_EQUAL(header(chained, "Client-Cert"), ":" + mtls::base64(der_of(w.acme_by_sub)) + ":");
    CHECK_EQUAL(header(chained, "Client-Cert-Chain"), ":" + mtls::base64(der_of(w.acme_sub)) + ":");
    // Granted, but nothing is to be handed over there.
    CHECK_EQUAL(header(p.site.get(&w.acme, "/open/x").body, "X-Partner"), "");
    // Denied: nothing reaches the backend at all.
    CHECK_EQUAL(p.site.get(&w.unnamed, "/app/x").status, 403);
    CHECK_EQUAL(p.site.httpd.unclaimed_errors({": denied "}).size(), 0U);
}

CLAIM(forged_copies_are_removed_in_every_spelling_from_every_request) {
    const World& w = world();
    Proxied p(kGate);
    const auto check = [&](const std::string& request, const std::string& partner) {
        CHECK(request.find("GET /") == 0);
        CHECK(request.find("forged") == std::string::npos);
        CHECK(request.find("Zm9yZ2Vk") == std::string::npos);
        CHECK_EQUAL(header(request, "X-Partner"), partner);
        CHECK_EQUAL(header(request, "Client-Cert").empty(), partner.empty());
    };
    check(p.site.get(&w.acme, "/app/x", kForgeries).body, "acme");
    check(p.site.get(&w.acme, "/open/x", kForgeries).body, "");                   // not decided
    check(p.site.get(nullptr, "/open/x", kForgeries).body, "");                   // no certificate
    check(plain_get(p.site.httpd.plain_port(), "/open/x", kForgeries).body, "");  // no TLS
    // What is nobody's stays: whoever forwards something else is not disturbed.
    const std::string other = p.site.get(nullptr, "/open/x", "X-Partners: mine\r\nClient-Certificate: mine\r\n").body;
    CHECK_EQUAL(header(other, "X-Partners"), "mine");
    CHECK_EQUAL(header(other, "Client-Certificate"), "mine");
}

CLAIM(tomcat_gets_none_of_its_valves_headers_from_a_client) {
    const World& w = world();
    const char* const forged =
        "SSL_CLIENT_CERT: forged\r\nssl_client_escaped_cert: forged\r\nSsl-Client-Escaped-Cert: forged\r\n"
        "ssl_cipher: forged\r\nssl_session_id: forged\r\nssl_cipher_usekeysize: forged\r\nssl_client_verify: mine\r\n";
    for (const std::string header_set : {"cert=pem:SSL_CLIENT_CERT", "cert=pem-url:ssl_client_escaped_cert"}) {
        Proxied p("<Location /app>\n MTLSAllow any-partner\n MTLSForward " + header_set + "\n</Location>\n");
        for (const char* path : {"/app/x", "/open/x"}) {
            const std::string got = p.site.get(&w.acme, path, forged).body;
            CHECK_CONTAINS(got, "GET ");
            CHECK(got.find("forged") == std::string::npos);
            CHECK_EQUAL(header(got, "ssl_client_verify"), "mine");
            CHECK_EQUAL(header(got, header_set.substr(header_set.find(':') + 1)).empty(), got.starts_with("GET /open"));
        }
    }
    Proxied other(kGate);
    CHECK_EQUAL(header(other.site.get(&w.acme, "/app/x", "ssl_cipher: mine\r\n").body, "ssl_cipher"), "mine");
}

CLAIM(a_client_cannot_have_the_headers_dropped_by_its_connection_field) {
    const World& w = world();
    Proxied p(kGate);
    const Response r = p.site.get(&w.acme, "/app/x",
                                  "Connection: X-Partner, Client-Cert, x_partner\r\nProxy-Connection: X-Partner\r\n");
    CHECK_EQUAL(header(r.body, "X-Partner"), "acme");
    CHECK(!header(r.body, "Client-Cert").empty());
    // As mod_proxy splits it.
    for (const char* value :
         {"keep-alive;X-Partner", "keep-alive X-Partner", "x;Client-Cert;X-Partner", "\"a,b\";X-Partner", "\"X-Partner",
          "X-Partner;x, Client-Cert", "x\tclient-cert", ";,; X-Partner ;"}) {
        const std::string got = p.site.get(&w.acme, "/app/x", std::string("Connection: ") + value + "\r\n").body;
        check(header(got, "X-Partner") == "acme" && !header(got, "Client-Cert").empty(), value, __FILE__, __LINE__);
    }
    for (const char* value : {"X-Hop;X-Partner", "X-Partner X-Hop", "\"x\" X-Hop"}) {
        const std::string sent = std::string("Connection: ") + value + "\r\nX-Hop: 1\r\nX-Stays: 2\r\n";
        const std::string got = p.site.get(&w.acme, "/app/x", sent).body;
        check(header(got, "X-Hop").empty() && header(got, "X-Stays") == "2", value, __FILE__, __LINE__);
    }
    // Others are still dropped as HTTP has it.
    const Response hop = p.site.get(&w.acme, "/app/x", "Connection: X-Hop, X-Partner\r\nX-Hop: 1\r\n");
    CHECK_EQUAL(header(hop.body, "X-Hop"), "");
    CHECK_EQUAL(header(hop.body, "X-Partner"), "acme");
}

CLAIM(trailers_cannot_add_what_headers_may_not) {
    const World& w = world();
    Proxied p(std::string("MergeTrailers On\n") + kGate, "MergeTrailers On\n");
    const std::string chunked = "Transfer-Encoding: chunked\r\nTrailer: X-Partner\r\n";
    const std::string body = "3\r\nabc\r\n0\r\nX-Partner: forged\r\nClient_Cert: forged\r\n\r\n";
    const Response granted = p.site.get(&w.acme, "/app/x", chunked, "POST", body);
    CHECK_EQUAL(granted.status, 200);
    CHECK(granted.body.find("forged") == std::string::npos);
    CHECK_EQUAL(header(granted.body, "X-Partner"), "acme");
    const Response open = p.site.get(nullptr, "/open/x", chunked, "POST", body);
    CHECK_EQUAL(open.status, 200);
    CHECK(open.body.find("forged") == std::string::npos);
}

CLAIM(what_was_granted_does_not_go_along_to_another_place) {
    const World& w = world();
    Proxied p(std::string(kGate) +
                  "ErrorDocument 404 /open/sorry\n<Location /missing>\n MTLSAllow any-partner\n MTLSForward "
                  "partner=X-Partner\n</Location>\n",
              "ErrorDocument 404 /open/sorry\n");
    // The error page stands in a place that hands nothing over; the request that led there was granted elsewhere.
    const Response sorry = p.site.get(&w.acme, "/missing/x");
    CHECK_CONTAINS(sorry.body, "GET /open/sorry");
    CHECK_EQUAL(header(sorry.body, "X-Partner"), "");
}

CLAIM(log_only_hands_nothing_over_to_whom_it_would_deny) {
    const World& w = world();
    Proxied p(
        "<Location /app>\n MTLSAllow partner acme\n MTLSAuthz LogOnly\n MTLSForward partner=X-Partner\n"
        "</Location>\n");
    CHECK_EQUAL(header(p.site.get(&w.acme, "/app/x").body, "X-Partner"), "acme");
    const Response would = p.site.get(&w.globex, "/app/x", kForgeries);
    CHECK_EQUAL(would.status, 200);
    CHECK_EQUAL(header(would.body, "X-Partner"), "");
    CHECK(would.body.find("forged") == std::string::npos);
}

CLAIM(a_pem_header_reads_back_to_the_certificate) {
    const World& w = world();
    Proxied p("<Location /app>\n Require mtls-partner acme\n MTLSForward cert=pem:SSL_CLIENT_CERT\n</Location>\n");
    const Response r = p.site.get(&w.acme, "/app/x", "ssl-client-cert: forged\r\n");
    std::string pem = header(r.body, "SSL_CLIENT_CERT");
    CHECK(r.body.find("forged") == std::string::npos);
    CHECK_CONTAINS(pem, "-----BEGIN CERTIFICATE----- MII");
    // As Tomcat's SSLValve does: blanks become line ends, but for those of the two outer lines.
    const std::string begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
    std::string inner = pem.substr(begin.size(), pem.size() - begin.size() - end.size());
    for (char& c : inner) c = c == ' ' ? '\n' : c;
    CHECK_EQUAL(begin + inner + end + "\n", w.acme.cert_pem());
}

CLAIM(a_backend_gets_what_nginx_haproxy_and_envoy_would_hand_on) {
    const World& w = world();
    Proxied p(
        "<Location /app>\n MTLSAllow any-partner\n MTLSForward cert=pem-url:X-Pem cert=der:X-Der cert=xfcc\n"
        "</Location>\n");
    const std::string forged = "X-Pem: forged\r\nx_der: forged\r\nX-Forwarded-Client-Cert: By=forged\r\n";
    const std::string got = p.site.get(&w.acme, "/app/x", forged).body;
    CHECK(got.find("forged") == std::string::npos);
    CHECK_EQUAL(header(got, "X-Der"), mtls::base64(der_of(w.acme)));
    CHECK_EQUAL(header(got, "X-Pem"), mtls::pem_url_value(mtls::base64(der_of(w.acme))));
    const std::string xfcc = header(got, "X-Forwarded-Client-Cert");
    CHECK_CONTAINS(xfcc, "Hash=" + hex_sha256(w.acme) + ";Cert=\"-----BEGIN%20CERTIFICATE-----%0A");
    CHECK_CONTAINS(xfcc, ";DNS=api.acme.example");
    CHECK(xfcc.find("Chain=") == std::string::npos);
    ClientOptions options;
    options.identity = &w.acme_by_sub;
    options.chain = {&w.acme_sub};
    const std::string chained = TlsClient(p.site.httpd.port(), options).get("/app/x").body;
    CHECK_CONTAINS(header(chained, "X-Forwarded-Client-Cert"), ";Chain=\"-----BEGIN");
    // A denied request reaches no backend, and forged headers are removed everywhere.
    CHECK_EQUAL(p.site.get(&w.unnamed, "/app/x", forged).status, 403);
    CHECK(p.site.get(nullptr, "/open/x", forged).body.find("forged") == std::string::npos);
}

CLAIM(pem_url_and_der_are_byte_for_byte_those_of_nginx_and_haproxy) {
    if (!Nginx::is_installed() || !Haproxy::is_installed())
        return std::puts("  no nginx or HAProxy here: left out"), void();
    const World& w = world();
    Proxied p("<Location /app>\n MTLSAllow any-partner\n MTLSForward cert=pem-url:X-Pem cert=der:X-Der\n</Location>\n");
    const std::string ours = p.site.get(&w.acme, "/app/x").body;
    const std::string backend = "127.0.0.1:" + std::to_string(p.site.httpd.next_port());
    p.site.httpd.write("front/nginx/x", "");
    p.site.httpd.write("front/haproxy/server.pem", w.server.pem());
    p.site.httpd.write("front/haproxy/cas.pem", w.acme_ca.cert_pem());
    const std::string tls = p.site.httpd.path("front/haproxy/server.pem");
    ClientOptions options;
    options.identity = &w.acme;
    const int nginx_port = free_port(), haproxy_port = free_port();
    const Nginx nginx(p.site.httpd.path("front/nginx"), free_port(),
                      "listen 127.0.0.1:" + std::to_string(nginx_port) + " ssl;\nssl_certificate " + tls +
                          ";\nssl_certificate_key " + tls + ";\nssl_client_certificate " +
                          p.site.httpd.path("front/haproxy/cas.pem") +
                          ";\nssl_verify_client optional;\nssl_protocols TLSv1.3;\nlocation / {\nproxy_pass http://" +
                          backend + ";\nproxy_set_header X-Pem $ssl_client_escaped_cert;\n}\n");
    CHECK_EQUAL(header(TlsClient(nginx_port, options).get("/x").body, "X-Pem"), header(ours, "X-Pem"));
    const Haproxy haproxy(p.site.httpd.path("front/haproxy"), haproxy_port,
                          "frontend f\nbind 127.0.0.1:" + std::to_string(haproxy_port) +
                              " ssl crt server.pem ca-file cas.pem verify optional\nhttp-request set-header X-Der "
                              "%[ssl_c_der,base64]\ndefault_backend b\nbackend b\nserver s " +
                              backend + "\n");
    CHECK_EQUAL(header(TlsClient(haproxy_port, options).get("/x").body, "X-Der"), header(ours, "X-Der"));
    CHECK(!header(ours, "X-Pem").empty() && !header(ours, "X-Der").empty());
}

CLAIM(groups_and_attributes_are_handed_over_where_the_partner_has_them) {
    const World& w = world();
    Site site;
    EchoBackend backend(site.httpd.next_port());
    const std::string pass = backend.pass("/app");
    site.httpd.write("more.conf",
                     "<MTLSPartner initech>\nMTLSIdentity DNS:nobody.acme.example\nMTLSTrustAnchor acme.pem\n"
                     "MTLSGroup suppliers gold\nMTLSGroup never if CN:x\nMTLSAttribute tenant \"50% \xc3\xa9\"\n"
                     "MTLSAttribute who cert:CN\n</MTLSPartner>\n");
    site.load("proxy")
        .load("proxy_http")
        .vhost(pass)
        .start(
            "MTLSPolicyFile more.conf\n" + pass +
            location("/app", "MTLSAllow any-partner\nMTLSForward groups=X-Groups attr.Tenant=X-Tenant attr.who=X-Who"));
    const std::string forged = "X-Groups: forged\r\nx_tenant: forged\r\nX-Who: forged\r\n";
    const std::string got = site.get(&w.unnamed, "/app/x", forged).body;
    CHECK_EQUAL(header(got, "X-Groups"), "suppliers,gold");
    CHECK_EQUAL(header(got, "X-Tenant"), "50%25 %C3%A9");
    CHECK_EQUAL(header(got, "X-Who"), "nobody");
    // A partner without groups and attributes: the backend gets no such header, and no forged one.
    const std::string without = site.get(&w.globex, "/app/x", forged).body;
    CHECK(without.starts_with("GET /app/x"));
    CHECK_EQUAL(header(without, "X-Tenant"), "");
    CHECK(without.find("forged") == std::string::npos);
}

CLAIM(a_request_header_of_mod_headers_that_would_replace_what_is_handed_over_is_warned_of) {
    const std::string warning = "mod_headers comes after MTLSForward";
    const std::string forward = location("/app", "MTLSAllow any-partner\nMTLSForward partner=X-Partner");
    const std::pair<std::string, bool> rows[] = {
        {location("/app", "RequestHeader set x_partner x"), true},
        {location("/app/below", "RequestHeader unset X-Partner"), true},
        {location("/", "RequestHeader append X-Partner x"), true},
        {"RequestHeader set Client-Cert-Chain x\n", false},
        {"RequestHeader set X-Partner x\n", true},
        {"RequestHeader unset X-Partner early\n", false},
        {"RequestHeader setifempty X-Partner x\n", false},
        {location("/other", "RequestHeader set X-Partner x"), false},
        {location("/apple", "RequestHeader set X-Partner x"), false},
        {location("/app", "RequestHeader set X-Partners x"), false},
        {"<VirtualHost 127.0.0.1:1>\nRequestHeader set X-Partner x\n</VirtualHost>\n", true},
    };
    Site site;
    for (const auto& [lines, warns] : rows) {
        site.httpd.configure(World::policy() + forward + lines);
        const auto out = site.httpd.run({"-t"});
        CHECK_EQUAL(out.status, 0);
        check((out.text.find(warning) != std::string::npos) == warns, lines + out.text, __FILE__, __LINE__);
    }
    site.httpd.configure(World::policy() + location("/app", "MTLSAllow any-partner\nMTLSForward attr.tenat=X-T") +
                         "<MTLSPartner t>\nMTLSIdentity DNS:t.example.org\nMTLSTrustAnchor acme.pem\nMTLSAttribute "
                         "tenant 1\n</MTLSPartner>\n");
    CHECK_CONTAINS(site.httpd.run({"-t"}).text,
                   "no partner has an MTLSAttribute of this name (did you mean 'tenant'?)");
}

CLAIM(a_request_header_that_a_client_could_have_dropped_is_warned_of) {
    Site site;
    const auto said = [&](const std::string& line) {
        site.httpd.configure(World::policy() + location("/app", "MTLSAllow any-partner\n" + line));
        const auto out = site.httpd.run({"-t"});
        CHECK_EQUAL(out.status, 0);
        return out.text;
    };
    CHECK_CONTAINS(said("RequestHeader set X-Partner %{MTLS_PARTNER}e"), "write MTLSForward partner=X-Partner");
    CHECK_CONTAINS(said("RequestHeader set X-P \"expr=%{reqenv:MTLS_GROUPS}\""), "write MTLSForward groups=X-P");
    CHECK_CONTAINS(said("RequestHeader add X-Tenant %{MTLS_ATTR_TENANT}e"), "write MTLSForward attr.TENANT=X-Tenant");
    for (const char* line : {"MTLSForward partner=X-Partner", "RequestHeader set X-Partner %{OTHER}e",
                             "RequestHeader unset X-Partner", "Header set X-Partner %{MTLS_PARTNER}e"}) {
        CHECK(said(line).find("write MTLSForward") == std::string::npos);
    }
}

CLAIM(mod_headers_replaces_what_is_handed_over_indeed) {
    // An early RequestHeader line is executed before MTLSForward.
    Proxied p(
        "<Location /app>\n MTLSAllow any-partner\n MTLSForward partner=X-Partner\n RequestHeader set X-Partner "
        "other\n</Location>\n");
    CHECK_EQUAL(header(p.site.get(&world().acme, "/app/x").body, "X-Partner"), "other");
    Proxied early(
        "RequestHeader set X-Partner other early\n<Location /app>\n MTLSAllow any-partner\n MTLSForward "
        "partner=X-Partner\n</Location>\n",
        "RequestHeader set X-Partner other early\n");
    CHECK_EQUAL(header(early.site.get(&world().acme, "/app/x").body, "X-Partner"), "acme");
}

CLAIM(http2_streams_hand_over_too) {
    const World& w = world();
    Proxied p(kGate);
    ClientOptions options;
    options.identity = &w.acme;
    Http2Client h2(p.site.httpd.port(), options, p.site.httpd.root());
    for (const Response& r : h2.get_all({"/app/1", "/app/2", "/app/3"})) {
        CHECK_EQUAL(header(r.body, "X-Partner"), "acme");
        CHECK_EQUAL(header(r.body, "Client-Cert"), ":" + mtls::base64(der_of(w.acme)) + ":");
    }
}

CLAIM(a_name_that_http_needs_cannot_be_taken) {
    const std::pair<const char*, const char*> rows[] = {
        {"partner=Host", "'Host' means something to HTTP itself"},
        {"partner=content_length", "'content_length' means something to HTTP itself"},
        {"partner=X Partner", "'Partner': expected cert=rfc9440"},
        {"partner=", "'' cannot be the name of a header"},
        {"partner=X:Y", "'X:Y' cannot be the name of a header"},
        {"cert=pem:X-A partner=x_a", "'x_a' cannot hold two things"},
        {"cert=rfc9440 partner=Client-Cert", "'Client-Cert' cannot hold two things"},
        {"partner=X-A partner=X-B", "says again what was said before it"},
        {"Off partner=X-A", "'Off': expected"},
        {"cert=der", "'cert=der': expected cert=rfc9440, cert=pem:HEADER, cert=pem-url:HEADER"},
        {"cert=xfcc cert=xfcc", "says again what was said before it"},
        {"cert=xfcc partner=x_forwarded_client_cert", "cannot hold two things"},
        {"cert=pem:Client-Cert-Chain cert=rfc9440", "'Client-Cert' cannot hold two things"},
        {"attr.=X-A", "'attr.=X-A': expected"},
        {"attr.a=X-A attr.A=X-B", "says again what was said before it"},
    };
    Site site;
    for (const auto& [arguments, message] : rows) {
        site.httpd.configure(World::policy() + location("/a", std::string("MTLSForward ") + arguments));
        const auto out = site.httpd.run({"-t"});
        CHECK(out.status != 0);
        CHECK_CONTAINS(out.text, message);
    }
}
