// A certificate that HTTP/1.1 asked for, and that comes when the connection speaks HTTP/2 (RFC 9113 9.2.3 forbids it).
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "claims.hpp"
#include "h2c_client.hpp"
#include "sockets.hpp"
#include "world.hpp"

using namespace test;
using test::h2c::field;
using test::h2c::frame;

namespace {

constexpr char kHeaders = 1, kSettings = 4, kEndOfHeaders = 4, kEndOfStreamAndHeaders = 5, kStream = 3;
const std::string kAnswered = {kHeaders, kEndOfHeaders, 0, 0, 0, kStream};

// Waits until so many bytes have come, without reading them.
void await_bytes(int socket, int count) {
    for (int i = 0, there = 0; i < 500 && there < count; ++i) {
        usleep(10000);
        CHECK_EQUAL(ioctl(socket, FIONREAD, &there), 0);
    }
}

// Asks for a page that wants a certificate; upgrades the connection with the next request, which stays unanswered,
// before it reads what the server said; then asks for the gate. Returns what came back.
std::string ask_late(int port, const ClientOptions& options) {
    const SslCtxPtr ctx = client_context(options);
    const SslPtr ssl(SSL_new(ctx.get()));
    const int socket = connect_to(port);
    SSL_set_fd(ssl.get(), socket);
    CHECK_EQUAL(SSL_connect(ssl.get()), 1);
    const auto send = [&](const std::string& said) {
        CHECK_EQUAL(SSL_write(ssl.get(), said.data(), static_cast<int>(said.size())), static_cast<int>(said.size()));
    };
    send("GET /late/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // mod_ssl waits for the certificate until it gets anything else.
    send(
        "GET /slow/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\n"
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
        frame(kSettings, 0, 0, ""));
    constexpr int kLateAnswerAndSwitch = 800;
    await_bytes(socket, kLateAnswerAndSwitch);
    std::string heard;
    const auto hear = [&](const std::string& what) {
        char data[4096];
        for (int n = 0; heard.find(what) == std::string::npos && (n = SSL_read(ssl.get(), data, sizeof data)) > 0;)
            heard.append(data, static_cast<std::size_t>(n));
    };
    hear("101 Switching");
    send(frame(kHeaders, kEndOfStreamAndHeaders, kStream,
               field(":method", "GET") + field(":scheme", "https") + field(":authority", "localhost") +
                   field(":path", "/gate/x")));
    hear(kAnswered);
    close(socket);
    return heard;
}

}  // namespace

CLAIM(a_certificate_that_comes_after_the_switch_to_http2_ends_the_connection) {
    Site site;
    const int mute = site.httpd.next_port(), listener = listen_on(mute);
    site.tls("SSLVerifyClient none")
        .vhost("Protocols h2 http/1.1\nH2Upgrade on\nProxyPass /slow http://127.0.0.1:" + std::to_string(mute) +
               " timeout=2");
    site.load("proxy")
        .load("proxy_http")
        .start(location("/gate", "MTLSAllow any-partner") + location("/late", "SSLVerifyClient optional"));
    const std::string without = ask_late(site.httpd.port(), {});
    CHECK_CONTAINS(without, "101 Switching");
    CHECK_CONTAINS(without, kAnswered);  // denied, for want of a certificate
    ClientOptions late;
    late.identity = &world().acme;
    late.post_handshake_auth = true;
    const std::string with = ask_late(site.httpd.port(), late);
    CHECK_CONTAINS(with, "101 Switching");
    CHECK(with.find(kAnswered) == std::string::npos);
    CHECK(site.httpd.wait_for_log("after the switch to another protocol"));
    CHECK_EQUAL(site.get(nullptr, "/gate/x").status, 403);  // the server goes on
    close(listener);
}
