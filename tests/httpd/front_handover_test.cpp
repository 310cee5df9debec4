// Forwarded certificates reach rules, logs and backends; the front's header does not reach the application.
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "front_fields.hpp"
#include "front_site.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "trailer_site.hpp"

using namespace test;
using namespace test::fronts;

CLAIM(require_authtype_and_error_details_go_by_the_handed_certificate) {
    const World& w = world();
    FrontSite s("MTLSAcceptFront lb\n" + location("/gate/require", "Require mtls-partner acme\n" + kTold) +
                location("/gate/user", "AuthType MTLS\nAuthName x\nRequire user acme\n") +
                location("/gate/detail", "MTLSAllow partner acme\nMTLSErrorDetail On"));
    const Response required = s.through("/gate/require/a", cert(w.acme));
    CHECK_EQUAL(required.status, 200);
    CHECK_EQUAL(header(required.headers, "X-Via"), "lb");
    CHECK_EQUAL(s.through("/gate/require/b", cert(w.globex)).status, 403);
    CHECK_EQUAL(s.through("/gate/require/c", "").status, 403);
    CHECK_EQUAL(s.get(&w.acme, "/gate/require/d", cert(w.acme)).status, 403);
    CHECK_EQUAL(s.through("/gate/user/a", cert(w.acme)).status, 200);
    CHECK_EQUAL(s.through("/gate/user/b", cert(w.globex)).status, 403);
    CHECK_EQUAL(s.through("/gate/user/c", "").status, 403);
    const std::string told = s.through("/gate/detail/a", cert(w.globex)).body;
    CHECK_CONTAINS(told, hex_sha256(w.globex));
    // A front's own certificate is none of its clients' business.
    for (const std::string& headers : {std::string(), std::string("Client-Cert: x\r\n")}) {
        const std::string nothing = s.through("/gate/detail/b", headers).body;
        CHECK_CONTAINS(nothing, "reason");
        CHECK(nothing.find(hex_sha256(edge().lb)) == std::string::npos);
        CHECK(nothing.find("sha256") == std::string::npos);
    }
}

CLAIM(the_audit_log_has_the_front) {
    const World& w = world();
    FrontSite s("MTLSAuditLog logs/audit.json\n" + kGate);
    CHECK_EQUAL(s.through("/gate/a", cert(w.acme)).status, 200);
    CHECK_EQUAL(s.through("/gate/b", cert(w.unnamed)).status, 403);
    CHECK_EQUAL(s.get(&w.acme, "/gate/c").status, 200);
    s.httpd.stop();
    std::istringstream lines(file_text(s.httpd.path("logs/audit.json")));
    for (std::string line; std::getline(lines, line);) {
        const bool is_direct = line.find("/gate/c") != std::string::npos;
        CHECK_EQUAL(line.find(R"("via":"lb")") == std::string::npos, is_direct);
    }
}

CLAIM(the_application_never_sees_a_fronts_header) {
    const World& w = world();
    FrontSite s{""};
    s.httpd.stop();
    const EchoBackend backend(s.httpd.next_port());
    const std::string pass = backend.pass("/app") + backend.pass("/open") + "MergeTrailers On\n";
    s.load("proxy")
        .load("proxy_http")
        .vhost(pass)
        .start(front_partner(kRfc9440) + pass + location("/app", "MTLSAllow partner acme\nMTLSAcceptFront lb"));
    const std::string own = as_rfc9440(w.acme).substr(0, 40);
    const std::string forgeries =
        "client_cert: forged\r\nClient.Cert: forged\r\nClient-Cert-Chain: forged\r\nClientCertChain: forged\r\n";
    const auto check_clean = [&](const Response& r) {
        CHECK_EQUAL(r.status, 200);
        CHECK(r.body.find("GET /") == 0 || r.body.find("POST /") == 0);
        for (const std::string& part : {std::string("forged"), own}) CHECK(r.body.find(part) == std::string::npos);
        CHECK(mtls::lower(r.body).find("client") == std::string::npos);
    };
    check_clean(s.get(&edge().lb, "/app/x", cert(w.acme)));
    check_clean(s.get(&edge().lb, "/open/x", cert(w.acme)));
    for (const Identity* who : {&edge().lb, &w.acme, &w.globex, static_cast<const Identity*>(nullptr)}) {
        check_clean(s.get(who, "/open/x", forgeries + cert(w.acme)));
        check_clean(s.get(who, "/open/x", "Connection: Client-Cert;client_cert, X-Hop\r\n" + forgeries));
    }
    check_clean(plain_get(s.httpd.plain_port(), "/open/x", forgeries));
    const std::string chunked = "Transfer-Encoding: chunked\r\nTrailer: X-Other\r\n";
    const std::string body = "3\r\nabc\r\n0\r\nClient_Cert: forged\r\nClient-Cert-Chain: forged\r\n\r\n";
    check_clean(s.get(&w.acme, "/app/x", chunked, "POST", body));
    check_clean(s.get(nullptr, "/open/x", chunked, "POST", body));
}

CLAIM(no_trailer_is_a_fronts_header_in_a_server_without_gates) {
    for (const bool by_file : {false, true}) {
        TrailerSite s("%{Client-Cert}i %{Client_Cert_Chain}i %{X-Mine}i");
        install(s.site.httpd);
        s.site.httpd.write("front.conf", front_partner(kRfc9440));
        s.site.start(by_file ? "MTLSPolicyFile front.conf\n" : front_partner(kRfc9440));
        s.post(nullptr, "/open/x", "Client-Cert: evil\r\nClient_Cert_Chain: evil\r\nX-Mine: mine\r\n");
        s.logs("/open/x - - mine\n");
    }
}

CLAIM(no_trailer_of_a_body_that_is_read_early_reaches_the_backend) {
    for (const char* forwards : {"", "MTLSForward partner=X-Partner\n"}) {
        Site site;
        install(site.httpd);
        const EchoBackend backend(site.httpd.next_port());
        const std::string to = "ProxyPass " + backend.url() + "/ disablereuse=on\n";
        for (const char* name :
             {"proxy", "proxy_http", "request", "session", "session_cookie", "auth_form", "authn_anon", "authz_user"}) {
            site.load(name);
        }
        const std::string gate =
            std::string("MTLSAllow partner acme methods=GET,POST\nMTLSAcceptFront lb\n") + forwards + to;
        site.tls("SSLVerifyClient none").vhost("MergeTrailers On");
        // mod_ssl reads the body before it asks for the certificate; mod_auth_form does, to log in.
        site.start(front_partner(kRfc9440) + location("/late", "SSLVerifyClient require\n" + gate) +
                   location("/form",
                            "SSLVerifyClient require\nAuthType form\nAuthName a\nAuthFormProvider anon\n"
                            "Anonymous *\nAnonymous_NoUserId on\nAnonymous_MustGiveEmail off\nSession On\n"
                            "SessionCookieName s\nKeptBodySize 4096\nRequire valid-user\n" +
                                gate));
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            for (const char* path : {"/late", "/form"}) {
                ClientOptions options;
                options.tls = tls;
                options.post_handshake_auth = true;
                options.identity = &world().acme;
                const Response r = TlsClient(site.httpd.port(), options)
                                       .get(path,
                                            "Content-Type: application/x-www-form-urlencoded\r\n"
                                            "Transfer-Encoding: chunked\r\n",
                                            "POST",
                                            "21\r\nhttpd_username=u&httpd_password=p\r\n0\r\nX-Original-URL: evil\r\n"
                                            "X-HTTP-Method-Override: evil\r\nClient-Cert: evil\r\nX-Partner: evil\r\n"
                                            "X-Mine: mine\r\n\r\n");
                CHECK_CONTAINS(r.body, "X-Mine: mine");
                for (const char* name : {"X-Original-URL", "X-HTTP-Method-Override", "Client-Cert"}) {
                    CHECK_EQUAL(header(r.body, name), "");
                }
                CHECK_EQUAL(header(r.body, "X-Partner"), *forwards == '\0' ? "evil" : "acme");
            }
        }
    }
}

CLAIM(mtlsforward_hands_on_what_the_front_handed_on) {
    const World& w = world();
    FrontSite s{""};
    s.httpd.stop();
    const EchoBackend backend(s.httpd.next_port());
    s.load("proxy")
        .load("proxy_http")
        .vhost(backend.pass("/app"))
        .start(front_partner(kRfc9440) +
               location("/app",
                        "MTLSAllow partner acme lb\nMTLSAcceptFront lb\nMTLSForward cert=rfc9440 partner=X-Partner"));
    const Response r = s.get(&edge().lb, "/app/x", cert(w.acme) + "X-Partner: forged\r\n");
    CHECK_EQUAL(header(r.body, "Client-Cert"), as_rfc9440(w.acme));
    CHECK_EQUAL(header(r.body, "X-Partner"), "acme");
    CHECK_EQUAL(header(s.get(&edge().lb, "/app/x").body, "Client-Cert"), as_rfc9440(edge().lb));
}

CLAIM(a_forwarded_certificate_lives_until_its_request_is_accounted_for) {
    Site s;
    install(s.httpd);
    s.load("ratelimit");
    s.httpd.write("htdocs/slow.html", std::string(4096, 'x'));
    s.tls("SSLVerifyClient optional_no_ca")
        .start(front_partner(kRfc9440) + "MTLSAuditLog logs/audit.json\n" + kGate +
               location("/slow.html",
                        "MTLSAllow partner acme\nMTLSAcceptFront lb\nMTLSAuthz LogOnly\n"
                        "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 1"));
    // While the first waits, more certificates come over the connection than it keeps.
    constexpr int kOthers = 80;
    std::vector<std::string> paths = {"/slow.html"}, headers = {"Client-Cert: " + as_rfc9440(world().acme)};
    for (int i = 0; i < kOthers; ++i) {
        paths.push_back("/gate/" + std::to_string(i));
        headers.push_back("Client-Cert: " + as_rfc9440(make_client("api", "api.acme.example", world().acme_ca)));
    }
    {
        Http2Client client(s.httpd.port(), as(edge().lb), s.httpd.root());
        for (const Response& r : client.get_all(paths, headers)) CHECK_EQUAL(r.status, 200);
    }
    CHECK_EQUAL(s.httpd.unclaimed_errors({}).size(), 0U);
    s.httpd.stop();
    const std::string log = file_text(s.httpd.path("logs/audit.json")), at = "\"path\":\"/slow.html\"";
    const std::size_t found = log.find(at), begin = log.rfind('\n', found) + 1;
    CHECK(found != std::string::npos);
    const std::string line = log.substr(begin, log.find('\n', begin) - begin);
    CHECK_CONTAINS(line,
                   "\"sha256\":\"" + mtls::hex(mtls::bytes_of(mtls::certificate_sha256(*world().acme.cert))) + "\"");
    CHECK(log.find("/gate/79") < found);
}
