// Real servers in front: each ends TLS for its clients, and hands their certificates on over connections that it uses
// again for all of them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "web_servers.hpp"
#include "world.hpp"

using namespace test;

namespace {

const Identity& edge_ca() {
    static const Identity it = make_ca("Edge CA");
    return it;
}
const Identity& lb() {
    static const Identity it = make_client("lb", "lb.edge.example", edge_ca());
    return it;
}

// The server behind: it knows the front's CA alone, and its clients' from the policy.
struct Behind : Site {
    explicit Behind(const std::string& front) {
        httpd.write("edge.pem", edge_ca().cert_pem());
        httpd.write("client-cas.pem", edge_ca().cert_pem());
        tls("SSLVerifyClient optional\nLimitRequestFieldSize 65536");
        load("log_config")
            .start(
                "LogFormat \"%{remote}p %>s %U\" short\n<MTLSPartner lb>\nMTLSIdentity DNS:lb.edge.example\n"
                "MTLSTrustAnchor edge.pem\n" +
                front + "\n</MTLSPartner>\nCustomLog logs/access.log short\n" +
                location("/gate",
                         "MTLSAllow partner acme globex\nMTLSAcceptFront lb\nHeader always set "
                         "X-Partner \"expr=%{reqenv:MTLS_PARTNER} %{reqenv:MTLS_VIA}\"") +
                location("/gate/direct", "MTLSAcceptFront none"));
    }
    std::string port() const { return std::to_string(httpd.port()); }

    // Ports of the front's connections, by which all requests came.
    std::set<std::string> connections() const {
        std::set<std::string> out;
        std::istringstream lines(file_text(httpd.path("logs/access.log")));
        for (std::string line; std::getline(lines, line);) out.insert(line.substr(0, line.find(' ')));
        return out;
    }
};

// A folder for the front, with what it needs.
struct FrontFolder {
    std::string path;
    FrontFolder() {
        std::string name = "/tmp/mtls-front-XXXXXX";
        path = mkdtemp(name.data());
        const World& w = world();
        write("server.pem", w.server.pem());
        write("client-cas.pem", w.acme_ca.cert_pem() + w.globex_ca.cert_pem());
        write("lb.pem", lb().pem());
        write("backend.pem", w.server.cert_pem());
    }
    ~FrontFolder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& content) const {
        std::ofstream(path + "/" + name) << content;
    }
};

void check_told(const Response& r, const std::string& who) {
    CHECK_EQUAL(r.status, 200);
    CHECK_CONTAINS(mtls::lower(r.headers), "x-partner: " + who + " lb\r\n");
}

// Clients of one front: over HTTP/1.1 and HTTP/2, by turns on connections that the front uses again.
void try_clients(Behind& behind, int port, bool speaks_http2) {
    const World& w = world();
    ClientOptions as_acme, as_globex, as_unnamed, as_nobody;
    as_acme.identity = &w.acme;
    as_globex.identity = &w.globex;
    as_unnamed.identity = &w.unnamed;
    TlsClient acme(port, as_acme), globex(port, as_globex), unnamed(port, as_unnamed), nobody(port, as_nobody);
    for (int i = 0; i < 10; ++i) {
        check_told(acme.get("/gate/acme"), "acme");
        check_told(globex.get("/gate/globex"), "globex");
        CHECK_EQUAL(unnamed.get("/gate/unnamed").status, 403);
        CHECK_EQUAL(nobody.get("/gate/nobody").status, 403);
    }
    CHECK_EQUAL(behind.reason_for("/gate/unnamed"), "unknown-partner");
    CHECK_CONTAINS(behind.log_about("/gate/unnamed"), " via=lb ");
    CHECK_EQUAL(acme.get("/gate/direct/x").status, 403);
    CHECK_EQUAL(behind.reason_for("/gate/direct/x"), "not-allowed");
    if (speaks_http2) {
        Http2Client h2_acme(port, as_acme, behind.httpd.root()), h2_globex(port, as_globex, behind.httpd.root());
        const std::vector<std::string> paths(8, "/gate/x");
        for (int i = 0; i < 3; ++i) {
            for (const Response& r : h2_acme.get_all(paths)) check_told(r, "acme");
            for (const Response& r : h2_globex.get_all(paths)) check_told(r, "globex");
        }
    }
    // Partners shared connections, or this would have shown nothing.
    CHECK(behind.connections().size() <= 16);
    CHECK_EQUAL(behind.httpd.unclaimed_errors({": denied "}).size(), 0U);
}

// A client cannot put in what the front would have written.
void try_forgeries(Behind& behind, int port, const std::string& header, const std::string& value) {
    ClientOptions as_unnamed, as_acme;
    as_unnamed.identity = &world().unnamed;
    as_acme.identity = &world().acme;
    const std::string forged = header + ": " + value + "\r\n";
    CHECK_EQUAL(TlsClient(port, as_unnamed).get("/gate/forged", forged).status, 403);
    CHECK_EQUAL(behind.reason_for("/gate/forged"), "unknown-partner");
    CHECK_EQUAL(TlsClient(port, {}).get("/gate/forged2", forged).status, 403);
    check_told(TlsClient(port, as_acme).get("/gate/forged3", forged), "acme");
    // Nor have the front leave it out.
    check_told(TlsClient(port, as_acme).get("/gate/forged5", "Connection: " + header + "\r\n"), "acme");
    std::string underscored = header;
    std::replace(underscored.begin(), underscored.end(), '-', '_');
    CHECK(TlsClient(port, as_unnamed).get("/gate/forged4", underscored + ": " + value + "\r\n").status != 200);
}

// A second frontend leads to the same backend.
std::string haproxy_lines(int port, int second, const std::string& behind, const std::string& alpn) {
    const auto bind = [](int at) {
        return "bind 127.0.0.1:" + std::to_string(at) +
               " ssl crt server.pem ca-file client-cas.pem verify optional alpn h2,http/1.1\ndefault_backend b\n";
    };
    return "global\ntune.bufsize 65536\nfrontend f\n" + bind(port) + "frontend g\n" + bind(second) +
           "backend b\nhttp-request deny if METH_CONNECT\nhttp-request del-header X-Client-Der\n"
           "http-request set-header X-Client-Der %[ssl_c_der,base64] if { ssl_c_used }\nhttp-reuse always\n"
           "server s 127.0.0.1:" +
           behind + " ssl crt lb.pem ca-file backend.pem verify required verifyhost localhost alpn " + alpn + "\n";
}

// 17 kB of DER.
Identity large_client() {
    CertSpec spec;
    spec.subject = {{"CN", "large"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    for (int i = 0; i < 700; ++i) spec.san.emplace_back(GEN_DNS, "host-" + std::to_string(1000 + i) + ".acme.example");
    return issue(spec, &world().acme_ca);
}

}  // namespace

CLAIM(haproxy_in_front_hands_on_der_over_http1_and_http2) {
    if (!Haproxy::is_installed()) return std::puts("  no HAProxy here: left out"), void();
    for (const char* alpn : {"http/1.1", "h2"}) {
        Behind behind("MTLSFront header=X-Client-Der format=der");
        const FrontFolder folder;
        const int port = free_port();
        const int second = free_port();
        const Haproxy front(folder.path, port, haproxy_lines(port, second, behind.port(), alpn));
        try_clients(behind, port, true);
        for (const int at : {port, second}) {
            try_forgeries(behind, at, "X-Client-Der", mtls::base64(mtls::encode(i2d_X509, *world().acme.cert)));
        }
        const Identity large = large_client();
        ClientOptions as_large;
        as_large.identity = &large;
        check_told(TlsClient(port, as_large).get("/gate/large"), "acme");
    }
}

CLAIM(nginx_in_front_hands_on_percent_encoded_pem) {
    if (!Nginx::is_installed()) return std::puts("  no nginx here: left out"), void();
    Behind behind("MTLSFront header=X-Client-Cert format=pem-url");
    const FrontFolder folder;
    const int port = free_port();
    folder.write("mtls-front.conf",
                 "proxy_http_version 1.1;\nproxy_set_header Connection \"\";\n"
                 "proxy_set_header X-Client-Cert $ssl_client_escaped_cert;\nproxy_ssl_certificate lb.pem;\n"
                 "proxy_ssl_certificate_key lb.pem;\nproxy_ssl_trusted_certificate backend.pem;\n"
                 "proxy_ssl_verify on;\nproxy_ssl_name localhost;\nproxy_hide_header Upgrade;\n");
    const Nginx front(folder.path, free_port(),
                      "listen 127.0.0.1:" + std::to_string(port) +
                          " ssl http2;\nssl_protocols TLSv1.2 TLSv1.3;\nssl_certificate "
                          "server.pem;\nssl_certificate_key server.pem;\n"
                          "ssl_client_certificate client-cas.pem;\nssl_verify_client optional;\n"
                          "include mtls-front.conf;\nlocation / { proxy_pass https://behind; }\n"
                          "location /gate/own/ {\nproxy_set_header Host localhost;\ninclude mtls-front.conf;\n"
                          "proxy_pass https://behind;\n}\n",
                      "upstream behind { server 127.0.0.1:" + behind.port() + "; keepalive 16; }\n");
    try_clients(behind, port, true);
    try_forgeries(behind, port, "X-Client-Cert", "x");
    // Also in a location with a header of its own.
    CHECK_EQUAL(TlsClient(port, {}).get("/gate/own/x", "X-Client-Cert: x\r\n").status, 403);
    CHECK_EQUAL(behind.reason_for("/gate/own/x"), "not-allowed");
}

CLAIM(httpd_in_front_hands_on_percent_encoded_pem) {
    const World& w = world();
    Behind behind("MTLSFront header=X-Client-Cert format=pem-url");
    Httpd front(httpd_paths());
    w.install(front);
    front.write("lb.pem", lb().pem());
    front.leave_out_module();
    front.set_log_level("warn");
    for (const char* module : {"proxy", "proxy_http"}) front.load(module);
    front.set_vhost_lines(
        "RequestHeader set X-Client-Cert \"expr=%{escape:%{SSL_CLIENT_CERT}}\"\nRequestHeader unset Connection\n"
        "SSLProxyEngine On\n"
        "SSLProxyMachineCertificateFile lb.pem\nSSLProxyCACertificateFile server.pem\nSSLProxyCheckPeerName Off\n"
        "ProxyPass / https://localhost:" +
        behind.port() + "/\n");
    front.configure("");
    front.start();
    try_clients(behind, front.port(), true);
    try_forgeries(behind, front.port(), "X-Client-Cert", "x");
}

CLAIM(httpd_in_front_with_the_module_hands_on_rfc_9440_with_the_chain) {
    const World& w = world();
    Behind behind("MTLSFront header=Client-Cert chain=Client-Cert-Chain format=rfc9440");
    Site front;
    front.httpd.write("lb.pem", lb().pem());
    front.load("proxy")
        .load("proxy_http")
        .vhost(
            "SSLProxyEngine On\nSSLProxyMachineCertificateFile lb.pem\nSSLProxyCACertificateFile server.pem\n"
            "SSLProxyCheckPeerName Off\nProxyPass / https://localhost:" +
            behind.port() + "/\n");
    front.start(location("/", "MTLSAllow any-partner\nMTLSForward cert=rfc9440"));
    ClientOptions options;
    options.identity = &w.acme_by_sub;
    options.chain = {&w.acme_sub};
    check_told(TlsClient(front.httpd.port(), options).get("/gate/x"), "acme");
    check_told(front.get(&w.globex, "/gate/x", "Client-Cert: :AAAA:\r\nclient_cert: x\r\n"), "globex");
}
