// make demo: partners let in and kept out by a real httpd, step by step.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "httpd_server.hpp"
#include "pki.hpp"
#include "tls_client.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kPolicy = R"(MTLSPolicyFile     partners/*.conf
MTLSRevocationFile revoked.conf

<MTLSPartner acme>
    MTLSIdentity    DNS:api.acme.example
    MTLSTrustAnchor acme.pem
</MTLSPartner>
<MTLSPartner globex>
    MTLSIdentity    DNS:api.globex.example
    MTLSTrustAnchor globex.pem
</MTLSPartner>

<Location /orders>
    MTLSAllow partner acme
</Location>
<Location /api>
    MTLSAllow by-grant
</Location>
)";

constexpr const char* kNewPartner = R"(<MTLSPartner initech>
    MTLSIdentity    DNS:api.acme.example
    MTLSTrustAnchor initech-ca.pem
    MTLSGrant       read /api/reports/**
</MTLSPartner>
)";

int failures = 0;

// Shows one step: what was asked, what came, and what the server's log says about it.
void show(const Httpd& httpd, const char* title, const Response& response, int expected, const std::string& path) {
    std::printf("\n== %s\n   GET %s -> %d %s\n", title, path.c_str(), response.status,
                response.status == 200 ? "let in" : "kept out");
    constexpr int kLetIn = 200;  // which the log does not speak of
    if (response.status != kLetIn) httpd.wait_for_log("\"" + path + "\"");
    const std::string log = httpd.error_log();
    const std::size_t at = log.find("\"" + path + "\"");
    if (at != std::string::npos) {
        const std::size_t start = log.rfind('\n', at) + 1;
        std::printf("   log: %s\n", log.substr(start, log.find('\n', at) - start).c_str());
    }
    if (response.status != expected) {
        std::printf("   UNEXPECTED: %d was expected\n", expected);
        ++failures;
    }
}

int tell(const std::string& module) {
    const World& w = world();
    Httpd httpd(find_httpd(module));
    w.install(httpd);
    httpd.write("revoked.conf", "# nobody yet\n");
    httpd.write("partners/readme.conf", "# one file for each partner\n");
    httpd.write("initech-ca.pem", w.stranger_ca.cert_pem());
    httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\n");
    httpd.configure("AliasMatch ^/(orders|api)/ \"" + httpd.path("htdocs/ok.html") + "\"\n" + kPolicy);
    httpd.start();
    std::printf(
        "An httpd with mod_ssl and mod_mtls_authz listens on https://127.0.0.1:%d, with MTLSClientCA On, and:\n\n%s",
        httpd.port(), kPolicy);

    ClientOptions acme;
    acme.identity = &w.acme;
    TlsClient first(httpd.port(), acme);
    show(httpd, "Acme, with Acme's certificate", first.get("/orders/1"), 200, "/orders/1");

    TlsClient again(httpd.port(), acme, first.session().get());
    show(httpd, again.resumed() ? "Acme again, on a resumed TLS session" : "Acme again (the session was not resumed)",
         again.get("/orders/2"), 200, "/orders/2");

    Http2Client h2(httpd.port(), acme, httpd.root());
    show(httpd, "Acme, over HTTP/2", h2.get("/orders/3"), 200, "/orders/3");

    ClientOptions globex;
    globex.identity = &w.globex;
    show(httpd, "Globex: a partner, but not one that this gate names", TlsClient(httpd.port(), globex).get("/orders/4"),
         403, "/orders/4");

    ClientOptions impostor;
    impostor.identity = &w.acme_from_globex;
    show(httpd, "Acme's name in a certificate from Globex's CA, which the handshake trusts too",
         TlsClient(httpd.port(), impostor).get("/orders/5"), 403, "/orders/5");

    show(httpd, "No certificate at all", TlsClient(httpd.port(), {}).get("/orders/6"), 403, "/orders/6");

    TlsClient open(httpd.port(), acme);
    show(httpd, "Acme opens a connection and keeps it", open.get("/orders/7"), 200, "/orders/7");
    const std::string line = "MTLSRevoke sha256:" + hex_sha256(w.acme) + " \"note=key was stolen\"\n";
    std::printf("\n== Acme's key was stolen; written to revoked.conf, without a restart:\n   %s", line.c_str());
    httpd.write("revoked.conf", line);
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
    show(httpd, "Acme again, on the connection that was open all the time", open.get("/orders/8"), 403, "/orders/8");

    ClientOptions initech;
    initech.identity = &w.acme_from_stranger;
    std::printf(
        "\n== A new partner, with a CA that this server has never seen; written to partners/initech.conf:\n\n%s",
        kNewPartner);
    httpd.write("partners/initech.conf", kNewPartner);
    httpd.wait_for_log("added initech");
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    TlsClient newcomer(httpd.port(), initech);
    show(httpd, "Initech reads what it was granted", newcomer.get("/api/reports/9"), 200, "/api/reports/9");
    show(httpd, "Initech reads what it was not granted", newcomer.get("/api/salaries/10"), 403, "/api/salaries/10");

    std::printf(
        "\nNext: README.md for your own configuration, docs/directives.md for every directive,\n"
        "docs/security-model.md for what is and what is not protected.\n");
    if (std::getenv("KEEP") != nullptr && std::string(std::getenv("KEEP")) == "1") {
        httpd.write("acme-client.pem", w.acme.pem());
        httpd.write("globex-client.pem", w.globex.pem());
        std::printf(
            "\nStill running until you press Enter. Try:\n"
            "  curl -k --cert %s/acme-client.pem   https://127.0.0.1:%d/orders/9\n"
            "  curl -k --cert %s/globex-client.pem https://127.0.0.1:%d/orders/10\n"
            "  echo '# nobody any more' > %s/revoked.conf; sleep 2   (then the first one again)\n"
            "  tail %s/logs/error.log\n",
            httpd.root().c_str(), httpd.port(), httpd.root().c_str(), httpd.port(), httpd.root().c_str(),
            httpd.root().c_str());
        std::getchar();
    }
    std::printf("\n%s\n", failures == 0 ? "All as expected; the server is stopped." : "Something was not as expected.");
    return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: demo MODULE\n"), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return tell(argv[1]);
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "demo: %s\n", e.what()), 1;
    }
}
