// MTLSFront and MTLSAcceptFront: who is believed, where, and what is refused. The front is a client that sends what a
// balancer would send; front_servers_test.cpp has real ones.
#include <curl/curl.h>

#include <memory>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "front_fields.hpp"
#include "live_site.hpp"
#include "sockets.hpp"
#include "trailer_site.hpp"

using namespace test;

namespace {

// A front, and certificates that it may hand on beside those of the world.
struct Edge {
    Identity ca = make_ca("Edge CA");
    Identity lb = make_client("lb", "lb.edge.example", ca);
    Identity expired = client("api.acme.example", world().acme_ca, -7200, -3600);

    static Identity client(const std::string& dns, const Identity& ca, std::int64_t from, std::int64_t until) {
        CertSpec spec;
        spec.subject = {{"CN", dns}};
        spec.san = {{GEN_DNS, dns}};
        spec.not_before = from;
        spec.not_after = until;
        return issue(spec, &ca);
    }
};
const Edge& edge() {
    static const Edge it;
    return it;
}

const std::string kRfc9440 = "MTLSFront header=Client-Cert chain=Client-Cert-Chain format=rfc9440";

std::string front_partner(const std::string& lines) {
    return partner("lb", "MTLSIdentity DNS:lb.edge.example\nMTLSTrustAnchor edge.pem\n" + lines);
}

const std::string kTold =
    "MTLSEnv All\nHeader always set X-Partner \"expr=%{reqenv:MTLS_PARTNER}\"\n"
    "Header always set X-Via \"expr=%{reqenv:MTLS_VIA}\"\n";
const std::string kGate = location("/gate", "MTLSAllow partner acme\nMTLSAcceptFront lb\n" + kTold);

void install(const Httpd& httpd) {
    const World& w = world();
    httpd.write("edge.pem", edge().ca.cert_pem());
    httpd.write("client-cas.pem", w.acme_ca.cert_pem() + w.globex_ca.cert_pem() + edge().ca.cert_pem());
}

struct FrontSite : Site {
    explicit FrontSite(const std::string& lines = kGate, const std::string& front = kRfc9440,
                       const std::string& mpm = "event") {
        install(httpd);
        tls("SSLVerifyClient optional_no_ca\nLimitRequestFieldSize 131072");
        start(front_partner(front) + "LimitRequestFieldSize 131072\n" + lines, mpm);
    }
    // What a request of the front is answered.
    Response through(const std::string& path, const std::string& headers) { return get(&edge().lb, path, headers); }
    std::string detail_for(const std::string& path) {
        const std::string line = log_about(path);
        const std::size_t at = line.find("detail=\"");
        return at == std::string::npos ? "" : line.substr(at + 8, line.find('"', at + 8) - at - 8);
    }
};

std::string cert(const Identity& id, const std::string& name = "Client-Cert") {
    return name + ": " + as_rfc9440(id) + "\r\n";
}

std::string header(const std::string& text, const std::string& name) {
    const std::string lower = mtls::lower(text);
    const std::size_t at = lower.find("\n" + mtls::lower(name) + ":");
    if (at == std::string::npos) return {};
    const std::size_t start = at + name.size() + 2;
    return std::string(mtls::trim(text.substr(start, text.find('\n', start) - start)));
}

// The status of a request over HTTP/2 that begins without an upgrade, as a front speaks it ("prior knowledge").
long status_by_prior_knowledge(int port, const std::string& header_line) {
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(curl_slist_append(nullptr, header_line.c_str()),
                                                                     curl_slist_free_all);
    const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/gate/acme/own";
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(easy.get(), CURLOPT_NOBODY, 1L);
    CHECK_EQUAL(curl_easy_perform(easy.get()), CURLE_OK);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
}

// RFC 9113 4.1.
std::string frame(char type, char flags, char stream, const std::string& payload) {
    const std::size_t size = payload.size();
    std::string out = {static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8),
                       static_cast<char>(size),
                       type,
                       flags,
                       0,
                       0,
                       0,
                       stream};
    return out + payload;
}

// RFC 7541 6.2.2, without Huffman coding.
std::string field(const std::string& name, const std::string& value) {
    const auto text = [](const std::string& word) {
        constexpr std::size_t kPrefix = 127;
        if (word.size() < kPrefix) return std::string(1, static_cast<char>(word.size())) + word;
        std::string out(1, static_cast<char>(kPrefix));
        std::size_t rest = word.size() - kPrefix;
        for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
        return out + static_cast<char>(rest) + word;
    };
    return std::string(1, '\0') + text(name) + text(value);
}

// Upgrades a connection by a request to an open page, and asks for `path` over HTTP/2 then. Returns what came back, or
// as much of it as came in two seconds.
std::string ask_through_upgrade(int port, const std::string& path, const std::string& name, const std::string& value) {
    const int s = connect_to(port);
    const timeval patience{2, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto say = [s](const std::string& text) { return write(s, text.data(), text.size()) > 0; };
    std::string heard;
    char data[4096];
    const auto hear = [&](const char* until) {
        for (ssize_t n = 0; heard.find(until) == std::string::npos && (n = read(s, data, sizeof data)) > 0;) {
            heard.append(data, static_cast<std::size_t>(n));
        }
    };
    say("GET /free/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n");
    hear("\r\n\r\n");
    constexpr char kHeaders = 1, kSettings = 4, kEndOfStreamAndHeaders = 5;
    say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, "") +
        frame(kHeaders, kEndOfStreamAndHeaders, 3,
              field(":method", "GET") + field(":scheme", "http") + field(":authority", "localhost") +
                  field(":path", path) + field(name, value)));
    hear("no such text");
    close(s);
    return heard;
}

}  // namespace

CLAIM(a_front_brings_its_client_and_the_gate_decides_by_that_certificate) {
    const World& w = world();
    FrontSite s;
    const Response acme = s.through("/gate/acme", cert(w.acme));
    CHECK_EQUAL(acme.status, 200);
    CHECK_EQUAL(header(acme.headers, "X-Partner"), "acme");
    CHECK_EQUAL(header(acme.headers, "X-Via"), "lb");
    CHECK_EQUAL(s.through("/gate/globex", cert(w.globex)).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/globex"), "not-allowed");
    CHECK_CONTAINS(s.log_about("/gate/globex"), " claimed=globex via=lb ");
    // By itself it is told as ever.
    const Response direct = s.get(&w.acme, "/gate/direct");
    CHECK_EQUAL(direct.status, 200);
    CHECK_EQUAL(header(direct.headers, "X-Via"), "");
    CHECK_EQUAL(s.httpd.unclaimed_errors({": denied "}).size(), 0U);
}

CLAIM(what_a_front_hands_on_is_refused_for_the_same_reasons_as_any_certificate) {
    const World& w = world();
    FrontSite s("MTLSRevoke \"subject:CN=api2,O=Acme\"\nMTLSRevoke sha256:" + hex_sha256(w.ambiguous) + "\n" + kGate);
    const std::tuple<const char*, const Identity*, const char*> rows[] = {
        {"/gate/expired", &edge().expired, "expired"},
        {"/gate/revoked", &w.ambiguous, "revoked"},
        {"/gate/unknown", &w.unnamed, "unknown-partner"},
        {"/gate/stranger", &w.acme_from_stranger, "not-verified"},
        {"/gate/other-ca", &w.acme_from_globex, "wrong-issuer"},
        {"/gate/lookalike", &w.acme_from_lookalike, "wrong-issuer"},
        {"/gate/malformed", &w.malformed, "malformed-certificate"},
        {"/gate/itself", &edge().lb, "not-allowed"},
    };
    for (const auto& [path, who, reason] : rows) {
        CHECK_EQUAL(s.through(path, cert(*who)).status, 403);
        CHECK_EQUAL(s.reason_for(path), reason);
        CHECK_CONTAINS(s.log_about(path), " via=lb ");
    }
    CHECK_EQUAL(s.through("/gate/good", cert(w.acme)).status, 200);
}

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

CLAIM(nobody_but_the_front_is_believed) {
    const World& w = world();
    FrontSite s;
    const std::tuple<const char*, const Identity*, const char*> rows[] = {
        {"/gate/partner", &w.globex, "but the connection's own certificate is of globex"},
        {"/gate/own", &w.acme, "but the connection's own certificate is of acme"},  // even for what it may do itself
        {"/gate/nobody", nullptr, "but the connection has no client certificate"},
        {"/gate/unknown", &w.unnamed, "is refused: unknown-partner"},
        {"/gate/stranger", &w.acme_from_stranger, "(acme) is refused: not-verified"},
    };
    for (const auto& [path, who, detail] : rows) {
        CHECK_EQUAL(s.get(who, path, cert(w.acme)).status, 403);
        CHECK_EQUAL(s.reason_for(path), "front-not-trusted");
        CHECK_CONTAINS(s.detail_for(path), "Client-Cert is a header of the front lb, ");
        CHECK_CONTAINS(s.detail_for(path), detail);
        CHECK(s.log_about(path).find(" via=") == std::string::npos);
    }
    CHECK_EQUAL(plain_get(s.httpd.plain_port(), "/gate/plain", cert(w.acme)).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/plain"), "no-tls");
    CHECK_EQUAL(s.get(&w.acme, "/gate/clean").status, 200);
}

CLAIM(a_front_that_is_refused_itself_brings_nobody) {
    const World& w = world();
    const std::tuple<std::string, std::string, const char*> rows[] = {
        {"MTLSSuspend On", "", "is refused: suspended, MTLSSuspend at "},
        {"MTLSValid until=2020-01-01", "", "is refused: outside-contract, ended 2020-01-01"},
        {"MTLSNetwork 198.51.100.0/24", "", "the front itself is refused: wrong-network, 127.0.0.1 is not in"},
        {"", "MTLSRevoke DNS:lb.edge.example\n", "(lb) is refused: revoked, MTLSRevoke at "},
    };
    for (const auto& [line, global, detail] : rows) {
        FrontSite s(global + kGate, kRfc9440 + "\n" + line);
        CHECK_EQUAL(s.through("/gate/x", cert(w.acme)).status, 403);
        CHECK_EQUAL(s.reason_for("/gate/x"), "front-not-trusted");
        CHECK_CONTAINS(s.detail_for("/gate/x"), detail);
    }
    FrontSite inside(kGate, kRfc9440 + "\nMTLSNetwork 127.0.0.0/8");
    CHECK_EQUAL(inside.through("/gate/x", cert(w.acme)).status, 200);
    // Its certificate ends while it is connected.
    constexpr int kSoon = 3;
    const Identity ending = Edge::client("lb.edge.example", edge().ca, -3600, kSoon);
    TlsClient client(inside.httpd.port(), as(ending));
    CHECK_EQUAL(client.get("/gate/y", cert(w.acme)).status, 200);
    becomes([&] { return client.get("/gate/y", cert(w.acme)).status; }, 403, "by a front that has expired");
    CHECK_EQUAL(inside.reason_for("/gate/y"), "front-not-trusted");
    CHECK_CONTAINS(inside.detail_for("/gate/y"), "(lb) is refused: expired");
}

CLAIM(a_front_counts_only_where_it_is_accepted) {
    const World& w = world();
    FrontSite s("MTLSAcceptFront lb\n" + location("/gate", "MTLSAllow partner acme\n" + kTold) +
                location("/gate/direct", "MTLSAcceptFront none") + location("/gate/direct/lb", "MTLSAllow partner lb") +
                location("/gate/other", "MTLSAcceptFront globex"));
    CHECK_EQUAL(s.through("/gate/x", cert(w.acme)).status, 200);
    for (const char* path : {"/gate/direct/x", "/gate/other/x"}) {
        CHECK_EQUAL(s.through(path, cert(w.acme)).status, 403);
        CHECK_EQUAL(s.reason_for(path), "not-allowed");
        CHECK_CONTAINS(s.log_about(path), " claimed=lb ");
    }
    // There the caller is the connection's own.
    CHECK_EQUAL(header(s.through("/gate/direct/lb", cert(w.acme)).headers, "X-Partner"), "lb");
    CHECK_EQUAL(s.get(&w.acme, "/gate/direct/own", cert(w.globex)).status, 200);
}

CLAIM(a_path_that_a_backend_reads_into_a_place_that_accepts_others_is_refused) {
    FrontSite s(kGate + location("/gate/direct", "MTLSAcceptFront none"));
    CHECK_EQUAL(s.through("/gate/other;/x", cert(world().acme)).status, 200);
    CHECK_EQUAL(s.through("/gate/direct;/x", cert(world().acme)).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/direct;/x"), "bad-path");
}

CLAIM(a_front_without_the_header_speaks_for_itself) {
    const World& w = world();
    FrontSite s(location("/gate", "MTLSAllow partner lb acme\nMTLSAcceptFront lb\n" + kTold) +
                location("/gate/acme", "MTLSAllow partner acme"));
    // A grant that the connection was given is none for whom the front brings, nor the other way round.
    ClientOptions options;
    options.identity = &edge().lb;
    TlsClient client(s.httpd.port(), options);
    for (int i = 0; i < 3; ++i) {
        CHECK_EQUAL(header(client.get("/gate/x").headers, "X-Partner"), "lb");
        CHECK_EQUAL(client.get("/gate/x", cert(w.globex)).status, 403);
        CHECK_EQUAL(header(client.get("/gate/x", cert(w.acme)).headers, "X-Partner"), "acme");
        CHECK_EQUAL(client.get("/gate/x", "Client-Cert:\r\n").status, 403);
        CHECK_EQUAL(client.get("/gate/acme/x").status, 403);
    }
    CHECK_EQUAL(s.httpd.wait_for_log("the front's client sent no certificate"), true);
    CHECK_EQUAL(s.reason_for("/gate/acme/x"), "not-allowed");
    CHECK_CONTAINS(s.httpd.error_log(), "<Location /gate> lets in the front lb for itself");
    CHECK(s.httpd.error_log().find("<Location /gate/acme> lets in") == std::string::npos);
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

CLAIM(two_partners_by_turns_on_one_connection_are_never_mixed) {
    const World& w = world();
    for (const char* mpm : {"event", "prefork"}) {
        FrontSite s(location("/gate", "MTLSAllow partner acme globex\nMTLSAcceptFront lb\n" + kTold), kRfc9440, mpm);
        ClientOptions options;
        options.identity = &edge().lb;
        TlsClient client(s.httpd.port(), options);
        for (int i = 0; i < 40; ++i) {
            const bool is_acme = i % 3 != 0;
            const Response r = client.get("/gate/x", cert(is_acme ? w.acme : w.globex));
            CHECK_EQUAL(r.status, 200);
            CHECK_EQUAL(header(r.headers, "X-Partner"), is_acme ? "acme" : "globex");
            if (i % 7 == 0) CHECK_EQUAL(client.get("/gate/x", cert(w.unnamed)).status, 403);
        }
    }
}

CLAIM(what_follows_from_a_request_is_decided_by_the_same_certificate) {
    const World& w = world();
    FrontSite s(kGate + "ErrorDocument 404 /gate/sorry\nDirectoryIndex index.html\n" +
                location("/docs", "MTLSAllow partner acme\nMTLSAcceptFront lb"));
    s.httpd.write("htdocs/docs/index.html", "the index");
    CHECK_EQUAL(s.through("/docs/", cert(w.acme)).body, "the index");
    CHECK_EQUAL(s.through("/docs/", cert(w.globex)).status, 403);
    CHECK_EQUAL(s.through("/missing/a", cert(w.acme)).body, "welcome");
    CHECK(s.through("/missing/b", cert(w.unnamed)).body != "welcome");
    CHECK_CONTAINS(s.log_about("/gate/sorry"), "reason=unknown-partner");
    CHECK(s.through("/missing/c", "").body != "welcome");
}

CLAIM(a_redirect_is_not_let_in_by_what_the_front_itself_was_granted_before) {
    FrontSite s(location("/gate", "MTLSAllow partner lb acme\nMTLSAcceptFront lb") + "ErrorDocument 404 /gate/sorry\n");
    TlsClient client(s.httpd.port(), as(edge().lb));
    for (int i = 0; i < 3; ++i) {
        CHECK_EQUAL(client.get("/gate/sorry").body, "welcome");
        CHECK_EQUAL(client.get("/missing/a").body, "welcome");
        CHECK(client.get("/missing/b", cert(world().globex)).body != "welcome");
        CHECK_EQUAL(client.get("/missing/c", cert(world().acme)).body, "welcome");
    }
}

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
    const std::string target = "http://127.0.0.1:" + std::to_string(s.httpd.next_port());
    const EchoBackend backend(s.httpd.next_port());
    const std::string pass = "ProxyPass /app " + target + "/app disablereuse=on\nProxyPass /open " + target +
                             "/open disablereuse=on\nMergeTrailers On\n";
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

CLAIM(mtlsforward_hands_on_what_the_front_handed_on) {
    const World& w = world();
    FrontSite s{""};
    s.httpd.stop();
    const std::string target = "http://127.0.0.1:" + std::to_string(s.httpd.next_port());
    const EchoBackend backend(s.httpd.next_port());
    s.load("proxy")
        .load("proxy_http")
        .vhost("ProxyPass /app " + target + "/app disablereuse=on\n")
        .start(front_partner(kRfc9440) +
               location("/app",
                        "MTLSAllow partner acme lb\nMTLSAcceptFront lb\nMTLSForward cert=rfc9440 partner=X-Partner"));
    const Response r = s.get(&edge().lb, "/app/x", cert(w.acme) + "X-Partner: forged\r\n");
    CHECK_EQUAL(header(r.body, "Client-Cert"), as_rfc9440(w.acme));
    CHECK_EQUAL(header(r.body, "X-Partner"), "acme");
    CHECK_EQUAL(header(s.get(&edge().lb, "/app/x").body, "Client-Cert"), as_rfc9440(edge().lb));
}

CLAIM(nothing_is_believed_on_a_connection_that_a_request_has_upgraded) {
    FrontSite s("Protocols h2c http/1.1\n" + kGate, "MTLSFront header=X-Cert format=der network=127.0.0.0/8");
    const std::string acme = as_der(world().acme);
    const int port = s.httpd.plain_port();
    CHECK_EQUAL(status_by_prior_knowledge(port, "X-Cert: " + acme), 200);
    CHECK_EQUAL(plain_get(port, "/gate/acme/plain", "X-Cert: " + acme + "\r\n").status, 200);
    // HAProxy passes Upgrade on. After 101 it is a tunnel: what comes then is its client's own.
    CHECK_CONTAINS(ask_through_upgrade(port, "/gate/acme/tunnel", "x-cert", acme), "101 Switching Protocols");
    CHECK(s.httpd.wait_for_log("/gate/acme/tunnel"));
    CHECK_EQUAL(s.reason_for("/gate/acme/tunnel"), "front-not-trusted");
    CHECK_CONTAINS(s.detail_for("/gate/acme/tunnel"), "a request has upgraded the connection (Upgrade: h2c)");
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

CLAIM(by_its_address_a_front_is_believed_from_there_alone) {
    const World& w = world();
    const std::string by_address = "MTLSFront header=X-Cert format=der network=";
    const std::string header_of_acme = "X-Cert: " + as_der(w.acme) + "\r\n";
    FrontSite here(kGate, by_address + "127.0.0.0/8");
    CHECK_CONTAINS(here.httpd.error_log(),
                   "MTLSFront of lb: whoever connects from 127.0.0.0/8 can claim to be anybody");
    CHECK_EQUAL(here.get(nullptr, "/gate/tls", header_of_acme).status, 200);
    CHECK_EQUAL(here.get(&w.globex, "/gate/other", header_of_acme).status, 200);
    const Response plain = plain_get(here.httpd.plain_port(), "/gate/plain", header_of_acme);
    CHECK_EQUAL(plain.status, 200);
    CHECK_EQUAL(header(plain.headers, "X-Via"), "lb");
    CHECK_EQUAL(plain_get(here.httpd.plain_port(), "/gate/nothing").status, 403);
    CHECK_EQUAL(here.reason_for("/gate/nothing"), "no-tls");
    CHECK_EQUAL(here.get(nullptr, "/gate/none").status, 403);
    CHECK_EQUAL(here.get(nullptr, "/gate/unknown", "X-Cert: " + as_der(w.unnamed) + "\r\n").status, 403);
    CHECK_EQUAL(here.reason_for("/gate/unknown"), "unknown-partner");

    FrontSite away(kGate, by_address + "198.51.100.0/24");
    CHECK_EQUAL(away.get(&edge().lb, "/gate/x", header_of_acme).status, 403);
    CHECK_EQUAL(away.reason_for("/gate/x"), "front-not-trusted");
    CHECK_CONTAINS(away.detail_for("/gate/x"), "the connection comes from 127.0.0.1, outside of the front's network=");
    FrontSite suspended(kGate, by_address + "127.0.0.0/8\nMTLSSuspend On");
    CHECK_EQUAL(suspended.get(nullptr, "/gate/x", header_of_acme).status, 403);
    CHECK_CONTAINS(suspended.detail_for("/gate/x"), "the front itself is refused: suspended");
}

CLAIM(a_header_of_another_front_is_not_taken_from_this_one) {
    const World& w = world();
    const std::string other = partner("lb2",
                                      "MTLSIdentity DNS:lb2.edge.example\nMTLSTrustAnchor edge.pem\n"
                                      "MTLSFront header=X-Other format=der");
    FrontSite s(other + location("/gate", "MTLSAllow partner acme\nMTLSAcceptFront lb lb2") +
                location("/gate/one", "MTLSAcceptFront lb"));
    const std::string foreign = "X-Other: " + as_der(w.acme) + "\r\n";
    CHECK_EQUAL(s.through("/gate/x", foreign).status, 403);
    CHECK_CONTAINS(s.detail_for("/gate/x"), "X-Other is a header of the front lb2, but the connection's own");
    CHECK_EQUAL(s.through("/gate/y", cert(w.acme) + foreign).status, 403);
    CHECK_CONTAINS(s.detail_for("/gate/y"), "X-Other is a header of the front lb2, but the connection is of lb");
    // Where that one is not accepted, its header is nothing.
    CHECK_EQUAL(s.through("/gate/one/z", cert(w.acme) + foreign).status, 200);
}

CLAIM(fronts_come_and_go_with_policy_files_and_refusals_count_on_open_connections) {
    const World& w = world();
    LiveSite s;
    install(s.httpd);
    s.put("acme.conf", kAcme);
    s.put("lb.conf", front_partner(""));
    s.httpd.write("revoked.conf", "# nobody\n");
    s.start(
        "MTLSRevocationFile revoked.conf\n<Location /gate/front>\n MTLSAllow partner acme\n MTLSAcceptFront lb\n"
        "</Location>\n");
    CHECK_CONTAINS(s.httpd.error_log(), "MTLSAcceptFront: partner lb has no MTLSFront");
    TlsClient client(s.httpd.port(), as(edge().lb));
    const auto get = [&] { return client.get("/gate/front/x", cert(w.acme)).status; };
    CHECK_EQUAL(get(), 403);
    s.put("lb.conf", front_partner(kRfc9440));
    becomes(get, 200, "through the front");
    s.httpd.write("revoked.conf", "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\n");
    becomes(get, 403, "through the front");
    s.httpd.write("revoked.conf", "# nobody\n");
    becomes(get, 200, "through the front");
    s.httpd.write("revoked.conf", "MTLSSuspend lb\n");
    becomes(get, 403, "through the front");
    CHECK(s.httpd.wait_for_log("reason=front-not-trusted"));
}

CLAIM(mtlsacceptfront_takes_names_or_none_once_in_a_section) {
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSAcceptFront", "MTLSAcceptFront: expected NAME..., or none"},
        {"MTLSAcceptFront none lb", "'none': expected NAME... of partners that have MTLSFront, or none alone"},
        {"MTLSAcceptFront l/b", "'l/b': expected NAME..."},
        {"MTLSAcceptFront lb\nMTLSAcceptFront none", "MTLSAcceptFront: already given at "},
    };
    Site site;
    install(site.httpd);
    for (const auto& [line, message] : rows) {
        site.httpd.configure(World::policy() + front_partner(kRfc9440) + location("/a", line));
        const auto out = site.httpd.run({"-t"});
        CHECK(out.status != 0);
        CHECK_CONTAINS(out.text, message);
    }
    site.httpd.configure(World::policy() + front_partner(kRfc9440) +
                         location("/a", "MTLSAcceptFront l\nMTLSAllow none"));
    const auto out = site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"});
    CHECK_CONTAINS(out.text, "MTLSAcceptFront: there is no partner 'l' (did you mean 'lb'?)");
    CHECK_CONTAINS(out.text, "MTLSFront of lb: no MTLSAcceptFront names it");
    CHECK_CONTAINS(out.text, "#     MTLSAcceptFront l\n");
    CHECK_CONTAINS(out.text,
                   "    " + kRfc9440.substr(0, 9) + " header=Client-Cert format=rfc9440 chain=Client-Cert-Chain\n");
}
