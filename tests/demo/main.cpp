// make demo: partners let in and kept out by a real httpd, step by step.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "httpd_server.hpp"
#include "pki.hpp"
#include "stage.hpp"
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
<Location /mtls-status>
    SetHandler mtls-authz-status
    MTLSStatus On
    Require    ip 127.0.0.1
</Location>
)";

constexpr const char* kGrant = "    MTLSGrant read /api/reports/**\n";

int failures = 0;

// Shows one step: what was asked, what came, and what the server's log says about it.
void show(const Httpd& httpd, const char* title, const Response& response, int expected, const std::string& path) {
    std::printf("\n== %s\n   GET %s -> %d %s\n", title, path.c_str(), response.status,
                response.status == 200 ? "let in" : "kept out");
    constexpr int kLetIn = 200;  // which the log does not speak of
    if (response.status != kLetIn) httpd.wait_for_log("\"" + path + "\"");
    const std::string line = line_with(httpd.error_log(), "\"" + path + "\"");
    if (!line.empty()) std::printf("   log: %s\n", line.c_str());
    if (response.status != expected) {
        std::printf("   UNEXPECTED: %d was expected\n", expected);
        ++failures;
    }
}

// Shows a command of mtls-authz, run in the server's folder, and what it prints. Returns that.
std::string show_tool(const Httpd& httpd, const std::string& tool, const std::string& arguments, int expected) {
    std::vector<std::string> words = {tool};
    std::istringstream in(arguments);
    for (std::string word; in >> word;) words.push_back(word);
    const auto out = run_command(words, httpd.root());
    std::printf("   $ mtls-authz %s\n", arguments.c_str());
    std::istringstream lines(out.text);
    for (std::string line; std::getline(lines, line);) std::printf("     %s\n", line.c_str());
    if (out.status != expected) {
        std::printf("   UNEXPECTED: exit %d was expected, not %d\n", expected, out.status);
        ++failures;
    }
    return out.text;
}

// Shows in words what the page has.
void show_page(const Httpd& httpd) {
    const auto page = nlohmann::json::parse(plain_get(httpd.plain_port(), "/mtls-status?format=json").body);
    std::printf("\n== The page, http://127.0.0.1:%d/mtls-status: %d thing(s) need you\n", httpd.plain_port(),
                page["needs_you"]["total"].get<int>());
    for (const auto& trouble : page["needs_you"]["shown"]) {
        std::printf("   ! %s  %s\n", trouble["what"].get<std::string>().c_str(),
                    trouble["headline"].get<std::string>().c_str());
    }
    for (const auto& partner : page["partners"]) {
        std::printf("   %-8s allowed %d, denied %d\n", partner["partner"].get<std::string>().c_str(),
                    partner["decisions"]["allow"].get<int>(), partner["decisions"]["deny"].get<int>());
    }
    if (page["needs_you"]["counts"]["unknown-issuer"] != 1) {
        std::printf("   UNEXPECTED: it should name the certificate from a CA that is none of Acme's\n");
        ++failures;
    }
}

int tell(const std::string& module, const std::string& tool) {
    const World& w = world();
    const Identity initech_ca = make_ca("Initech CA"),
                   newcomer = make_client("gateway", "gw.initech.example", initech_ca);
    Httpd httpd(find_httpd(module));
    w.install(httpd);
    httpd.write("revoked.conf", "# nobody yet\n");
    httpd.write("partners/readme.conf", "# one file for each partner\n");
    httpd.write("initech-ca.pem", initech_ca.cert_pem());
    httpd.write("initech.pem", newcomer.cert_pem());
    httpd.write("impostor.pem", w.acme_from_globex.cert_pem());
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
    std::printf("   Asked beforehand, the running server says the same:\n");
    show_tool(httpd, tool, "explain --socket run/mtls_authz.sock --cert impostor.pem --path /orders/5", 3);

    show(httpd, "No certificate at all", TlsClient(httpd.port(), {}).get("/orders/6"), 403, "/orders/6");

    TlsClient open(httpd.port(), acme);
    show(httpd, "Acme opens a connection and keeps it", open.get("/orders/7"), 200, "/orders/7");
    const std::string line = "MTLSRevoke sha256:" + hex_sha256(w.acme) + " \"note=key was stolen\"\n";
    std::printf("\n== Acme's key was stolen; written to revoked.conf, without a restart:\n   %s", line.c_str());
    httpd.write("revoked.conf", line);
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
    show(httpd, "Acme again, on the connection that was open all the time", open.get("/orders/8"), 403, "/orders/8");

    std::printf("\n== A new partner, Initech, with a CA that this server has never seen. From its certificate:\n");
    std::string block = show_tool(httpd, tool, "suggest initech.pem --name initech --anchor initech-ca.pem", 0);
    const std::size_t end = block.find("</MTLSPartner>");
    block.insert(end == std::string::npos ? 0 : end, kGrant);
    std::printf("   Written to partners/initech.conf, without a restart, with one more line:\n   %s", kGrant);
    httpd.write("partners/initech.conf", block);
    httpd.wait_for_log("added initech");
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    ClientOptions initech;
    initech.identity = &newcomer;
    TlsClient connection(httpd.port(), initech);
    show(httpd, "Initech reads what it was granted", connection.get("/api/reports/9"), 200, "/api/reports/9");
    show(httpd, "Initech reads what it was not granted", connection.get("/api/salaries/10"), 403, "/api/salaries/10");
    show_page(httpd);

    std::printf(
        "\nNext: README.md for your own configuration, docs/directives.md for every directive,\n"
        "docs/security-model.md for what is and what is not protected.\n");
    if (std::getenv("KEEP") != nullptr && std::string(std::getenv("KEEP")) == "1") {
        httpd.write("acme-client.pem", w.acme.pem());
        httpd.write("globex-client.pem", w.globex.pem());
        std::printf(
            "\nStill running until you press Enter. Try:\n"
            "  http://127.0.0.1:%d/mtls-status in a browser\n"
            "  curl -k --cert %s/acme-client.pem   https://127.0.0.1:%d/orders/9\n"
            "  curl -k --cert %s/globex-client.pem https://127.0.0.1:%d/orders/10\n"
            "  echo '# nobody any more' > %s/revoked.conf; sleep 2   (then the first one again)\n"
            "  tail %s/logs/error.log\n",
            httpd.plain_port(), httpd.root().c_str(), httpd.port(), httpd.root().c_str(), httpd.port(),
            httpd.root().c_str(), httpd.root().c_str());
        if (std::getchar() == EOF) pause();  // without a terminal: until a signal
    }
    std::printf("\n%s\n", failures == 0 ? "All as expected; the server is stopped." : "Something was not as expected.");
    return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: demo MODULE TOOL\n"), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::signal(SIGPIPE, SIG_IGN);
    return staged([argv] { return tell(argv[1], argv[2]); });
}
