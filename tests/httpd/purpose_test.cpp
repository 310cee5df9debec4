// MTLSPurpose serverAuth in real handshakes: the partner's own certificates alone get in, and not after its end.
#include "claims.hpp"
#include "live_site.hpp"
#include "mtls_authz/base/calendar.hpp"

using namespace test;

namespace {

Identity for_servers(const std::string& dns, const Identity& ca, const std::string& eku = "serverAuth") {
    CertSpec spec;
    spec.subject = {{"CN", dns}};
    spec.san = {{GEN_DNS, dns}};
    spec.eku = eku;
    return issue(spec, &ca);
}

Identity sub_for_servers(const Identity& ca) {
    CertSpec spec;
    spec.subject = {{"CN", "Servers Sub"}};
    spec.ca = true;
    spec.eku = "";
    spec.extensions = {{NID_ext_key_usage, "serverAuth"}};
    return issue(spec, &ca);
}

const std::string kGlobexOfOwn = partner("globex", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem");

std::string acme_taking(const std::string& purpose, const std::string& anchor = "acme.pem") {
    return partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor " + anchor + "\n" + purpose);
}

// 0: the handshake was refused.
int get(const Httpd& httpd, const ClientOptions& options) {
    TlsClient client(httpd.port(), options);
    return client.connected() ? client.get("/gate/x").status : 0;
}

double waived(const Httpd& httpd) {
    const std::string text = TlsClient(httpd.port(), ClientOptions{}).get("/status").body;
    const std::string name = "\nmtls_authz_purpose_waived_total ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size()));
}

}  // namespace

CLAIM(a_partners_certificates_for_servers_pass_the_handshake_and_the_gate) {
    const World& w = world();
    const Identity sub = sub_for_servers(w.acme_ca);
    const Identity direct = for_servers("api.acme.example", w.acme_ca), below = for_servers("api.acme.example", sub),
                   globex = for_servers("api.globex.example", w.globex_ca),
                   nobody = for_servers("nobody.acme.example", w.acme_ca),
                   foreign = for_servers("api.acme.example", w.globex_ca),
                   any = for_servers("api.acme.example", w.acme_ca, "anyExtendedKeyUsage"),
                   code = for_servers("api.acme.example", w.acme_ca, "codeSigning");
    for (const char* verify :
         {"SSLVerifyClient optional\nSSLVerifyDepth 4\n", "SSLVerifyClient require\nSSLVerifyDepth 4\n"}) {
        LiveSite site;
        site.httpd.set_tls_lines(verify);
        site.put("acme.conf", acme_taking("MTLSPurpose serverAuth until=2100-01-01"));
        site.put("globex.conf", kGlobexOfOwn);
        site.start();
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            CHECK_EQUAL(get(site.httpd, as(direct, tls)), 200);
            ClientOptions chained = as(below, tls);
            chained.chain = {&sub};
            CHECK_EQUAL(get(site.httpd, chained), 200);
            CHECK_EQUAL(get(site.httpd, as(w.acme, tls)), 200);
            for (const Identity* out : {&globex, &nobody, &foreign, &any, &code})
                CHECK_EQUAL(get(site.httpd, as(*out, tls)), 0);
            // Resumed.
            TlsClient first(site.httpd.port(), as(direct, tls));
            CHECK_EQUAL(first.get("/gate/x").status, 200);
            const SslSessionPtr session = first.session();
            TlsClient again(site.httpd.port(), as(direct, tls), session.get());
            CHECK(again.resumed());
            CHECK_EQUAL(again.get("/gate/x").status, 200);
        }
        Http2Client h2(site.httpd.port(), as(direct), site.httpd.root());
        CHECK_EQUAL(h2.get("/gate/x").status, 200);
        CHECK(site.httpd.wait_for_log("refused handshake: reason=wrong-purpose"));
        CHECK_CONTAINS(site.httpd.error_log(), "MTLSPurpose serverAuth of acme, until 2100-01-01T23:59:59Z");
    }
}

CLAIM(a_waived_purpose_helps_live_anchors_too) {
    const World& w = world();
    const Identity direct = for_servers("api.acme.example", w.stranger_ca),
                   other = for_servers("other.acme.example", w.stranger_ca);
    LiveSite site;
    site.httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\n");
    site.httpd.write("stranger.pem", w.stranger_ca.cert_pem());
    site.put("acme.conf", acme_taking("", "stranger.pem"));
    site.start();
    CHECK_EQUAL(get(site.httpd, as(direct)), 0);
    site.put("acme.conf", acme_taking("MTLSPurpose serverAuth", "stranger.pem"));
    becomes([&] { return get(site.httpd, as(direct)); }, 200, "TLS 1.3");
    becomes([&] { return get(site.httpd, as(direct, TLS1_2_VERSION)); }, 200, "TLS 1.2");
    CHECK_EQUAL(get(site.httpd, as(other)), 0);
}

CLAIM(a_waived_purpose_ends_on_open_connections_and_resumed_sessions) {
    const World& w = world();
    const Identity direct = for_servers("api.acme.example", w.acme_ca);
    LiveSite site;
    site.put("acme.conf", acme_taking("MTLSPurpose serverAuth"));
    site.start(
        "<Location /status>\nSetHandler mtls-authz-status\nMTLSStatus On\nRequire all "
        "granted\n</Location>\nMTLSAuditLog logs/audit\n");
    TlsClient open(site.httpd.port(), as(direct));
    for (int i = 0; i < 3; ++i) CHECK_EQUAL(open.get("/gate/x").status, 200);
    CHECK_EQUAL(waived(site.httpd), 3);
    CHECK_EQUAL(get(site.httpd, as(w.acme)), 200);
    CHECK_EQUAL(waived(site.httpd), 3);
    const SslSessionPtr session = open.session();
    CHECK_CONTAINS(file_text(site.httpd.path("logs/audit")), R"("purpose":"serverAuth")");
    const std::int64_t end = std::time(nullptr) + 5;
    site.put("acme.conf", acme_taking("MTLSPurpose serverAuth until=" + mtls::format_time(end)));
    becomes([&] { return open.get("/gate/x").status; }, 403, "after its end");
    CHECK(std::time(nullptr) > end);
    CHECK(site.httpd.wait_for_log("reason=wrong-issuer"));
    becomes([&] { return get(site.httpd, as(direct)); }, 0, "a new handshake after its end");
    TlsClient again(site.httpd.port(), as(direct), session.get());
    CHECK(!again.connected() || again.get("/gate/x").status == 403);
    CHECK_EQUAL(get(site.httpd, as(w.acme)), 200);
    // The line goes: at once, on open connections.
    site.put("acme.conf", acme_taking("MTLSPurpose serverAuth"));
    becomes([&] { return get(site.httpd, as(direct)); }, 200, "without an end");
    TlsClient kept(site.httpd.port(), as(direct));
    CHECK_EQUAL(kept.get("/gate/x").status, 200);
    site.put("acme.conf", acme_taking(""));
    becomes([&] { return kept.get("/gate/x").status; }, 403, "the line is gone");
}
