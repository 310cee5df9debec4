// What a stranger can send ends no child and no open connection, and leaves nothing behind that a later decision reads.
#include <algorithm>

#include "claims.hpp"
#include "stranger.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kRequest = "GET /gate/s HTTP/1.1\r\nHost: localhost\r\n\r\n";

// The last record is the Finished message, or ends with it: its tag no longer fits.
bool damage_finished(int number, std::string& bytes) {
    if (number == 2) bytes.back() = static_cast<char>(bytes.back() ^ 1);
    return true;
}
bool close_before_finished(int number, std::string&) { return number < 2; }
bool cut_client_hello(int, std::string& bytes) {
    bytes.resize(bytes.size() / 2);
    return true;
}

struct Kind {
    const char* name;
    void (*send)(int port, int tls);
};

const Kind kRaw[] = {
    {"connects and closes", [](int port, int) { Stranger s(port); }},
    {"garbage", [](int port, int) { Stranger(port).send(std::string("\0garbage\r\n\r\n", 12)); }},
    {"plain HTTP",
     [](int port, int) {
         Stranger s(port);
         s.send(kRequest);
         s.answer();
     }},
    {"plain HTTP that is not waited for", [](int port, int) { Stranger(port).send(kRequest); }},
    {"plain HTTP, twice on one connection",
     [](int port, int) {
         Stranger s(port);
         s.send(kRequest + std::string(kRequest));
         s.answer();
     }},
    {"plain HTTP with a body",
     [](int port, int) {
         Stranger s(port);
         s.send("POST /gate/s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123456789");
         s.answer();
     }},
    {"plain HTTP/2", [](int port, int) { Stranger(port).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); }},
    {"an alert in place of a ClientHello",
     [](int port, int) { Stranger(port).send(std::string("\x15\x03\x01\x00\x02\x02\x28", 7)); }},
    {"an SSLv2 ClientHello",
     [](int port, int) { Stranger(port).send(std::string("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11)); }},
};

const Kind kHandshakes[] = {
    {"half a ClientHello",
     [](int port, int tls) {
         ClientOptions o;
         o.tls = tls;
         Stranger s(port);
         s.shake_hands(o, "", [](int n, std::string& bytes) { return cut_client_hello(n, bytes) && n < 2; });
     }},
    {"closes after the server's flight",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls), "", close_before_finished);
     }},
    {"a damaged Finished, with a certificate",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls), "", damage_finished);
         s.answer();
     }},
    {"a damaged Finished, without one",
     [](int port, int tls) {
         ClientOptions o;
         o.tls = tls;
         Stranger s(port);
         s.shake_hands(o, "", damage_finished);
         s.answer();
     }},
    {"a refused certificate",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme_from_stranger, tls));
         s.answer();
     }},
    {"a refused certificate, and a request without TLS behind it",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme_from_stranger, tls));
         s.send(kRequest);
         s.answer();
     }},
    {"no cipher in common",
     [](int port, int tls) {
         ClientOptions o;
         o.tls = tls == TLS1_3_VERSION ? TLS1_1_VERSION : tls;  // all of 1.3 are in common
         Stranger s(port);
         s.shake_hands(o, tls == TLS1_3_VERSION ? "ALL:@SECLEVEL=0" : "NULL-SHA256:@SECLEVEL=0");
         s.answer();
     }},
    {"a partner that closes without a word",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls));
     }},
    {"a partner that closes within a request",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls));
         s.send_encrypted("GET /gate/s HTTP/1.1\r\nHost:");
     }},
    {"plain HTTP within a connection",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls));
         s.send_encrypted(kRequest);
         s.send(kRequest);
         s.answer();
     }},
    {"a damaged record",
     [](int port, int tls) {
         Stranger s(port);
         s.shake_hands(as(world().acme, tls));
         s.send_encrypted(kRequest);
         s.send_encrypted(kRequest, [](int, std::string& bytes) {
             bytes.back() = static_cast<char>(bytes.back() ^ 1);
             return true;
         });
         s.answer();
     }},
    {"a client that wants new keys, or to renegotiate",
     [](int port, int tls) {
         Stranger s(port);
         if (!s.shake_hands(as(world().acme, tls))) return;
         if (tls == TLS1_3_VERSION) {
             SSL_key_update(s.ssl(), SSL_KEY_UPDATE_REQUESTED);
         } else {
             SSL_renegotiate(s.ssl());
         }
         s.go_on();
         s.send_encrypted(kRequest);
     }},
    // The place asks for a certificate once more: by renegotiation, or after the handshake.
    {"closes when asked for a certificate later",
     [](int port, int tls) {
         ClientOptions o;
         o.tls = tls;
         o.post_handshake_auth = true;
         Stranger s(port);
         if (!s.shake_hands(o)) return;
         s.send_encrypted("GET /again/s HTTP/1.1\r\nHost: localhost\r\n\r\n");
     }},
    {"a refused certificate when asked for one later",
     [](int port, int tls) {
         ClientOptions o = as(world().acme_from_stranger, tls);
         o.post_handshake_auth = true;
         TlsClient client(port, o);
         client.get("/again/s");
     }},
};

constexpr const char* kGates = R"(
ErrorDocument 400 /gate/error
ErrorDocument 403 /open/error
<Location /gate>
    MTLSAllow any-partner
</Location>
<Location /open>
</Location>
)";

void are_borne(const std::string& mpm) {
    const World& w = world();
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    // What is freed is overwritten: reading it later shows.
    site.httpd.set_environment("MALLOC_PERTURB_", "165");
    // In a virtual host of its own port a certificate is asked for only by the place.
    const std::string asks_later =
        "Listen 127.0.0.1:" + std::to_string(site.httpd.next_port()) +
        "\n<VirtualHost 127.0.0.1:" + std::to_string(site.httpd.next_port()) +
        ">\n ServerName localhost\n SSLEngine on\n SSLCertificateFile server.pem\n SSLCertificateKeyFile server.pem\n"
        " SSLCACertificateFile client-cas.pem\n AliasMatch ^/again/ \"" +
        site.httpd.path("htdocs/ok.html") +
        "\"\n <Location /again>\n  SSLVerifyClient require\n  SSLVerifyDepth 5\n  MTLSAllow any-partner\n </Location>\n"
        "</VirtualHost>\n";
    site.start(kGates + asks_later, mpm);
    TlsClient kept(site.httpd.port(), as(w.acme));
    CHECK_EQUAL(kept.get("/gate/before").status, 200);
    const std::vector<pid_t> had = site.httpd.children();
    CHECK(!had.empty());
    const auto bears = [&](const Kind& kind, int port, int tls) {
        const std::string what = mpm + ", TLS " + (tls == TLS1_3_VERSION ? "1.3: " : "1.2: ") + kind.name;
        for (int i = 0; i < 2; ++i) kind.send(port, tls);
        const auto is_200 = [&](const Response& r) { check_equal(r.status, 200, what, __FILE__, __LINE__); };
        is_200(kept.get("/gate/kept"));
        is_200(TlsClient(site.httpd.port(), as(w.acme, tls)).get("/gate/new"));
        ClientOptions nobody;
        nobody.tls = tls;
        check_equal(TlsClient(site.httpd.port(), nobody).get("/gate/nobody").status, 403, what, __FILE__, __LINE__);
        const std::vector<pid_t> has = site.httpd.children();
        for (const pid_t pid : had) {
            check(std::find(has.begin(), has.end(), pid) != has.end(),
                  what + ": a child ended: " + site.httpd.error_log(), __FILE__, __LINE__);
        }
    };
    for (const Kind& kind : kRaw) bears(kind, site.httpd.port(), TLS1_3_VERSION);
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const Kind& kind : kHandshakes) {
            const bool later = std::string(kind.name).find("later") != std::string::npos;
            bears(kind, later ? site.httpd.next_port() : site.httpd.port(), tls);
        }
        // The nearest that is no stranger.
        ClientOptions o = as(w.acme, tls);
        o.post_handshake_auth = true;
        CHECK_EQUAL(TlsClient(site.httpd.next_port(), o).get("/again/x").status, 200);
    }
    const std::string log = site.httpd.error_log();
    check(log.find("exit signal") == std::string::npos, log, __FILE__, __LINE__);
}

}  // namespace

CLAIM(strangers_end_no_child_and_no_connection_event) { are_borne("event"); }
CLAIM(strangers_end_no_child_and_no_connection_worker) { are_borne("worker"); }
CLAIM(strangers_end_no_child_and_no_connection_prefork) { are_borne("prefork"); }

CLAIM(a_failed_handshake_is_no_tls_for_the_gate_of_its_error_page) {
    Site site;
    site.httpd.set_environment("MALLOC_PERTURB_", "165");
    site.start("ErrorDocument 400 /gate/error\n<Location /gate>\n MTLSAllow any-partner\n</Location>\n");
    Stranger plain(site.httpd.port());
    plain.send(kRequest);
    const std::string answer = plain.answer();
    CHECK_CONTAINS(answer, "400 Bad Request");
    CHECK(answer.find("welcome") == std::string::npos);
    CHECK_EQUAL(site.reason_for("/gate/error"), "no-tls");
    // The nearest: the same page over TLS, for somebody without a certificate and for the partner.
    CHECK_EQUAL(site.get(nullptr, "/gate/open").status, 403);
    CHECK_EQUAL(site.get(&world().acme, "/gate/error").status, 200);
}
