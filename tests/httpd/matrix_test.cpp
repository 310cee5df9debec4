// {right, none, untrusted CA, other partner's CA, lookalike CA, expired, ambiguous, malformed} x {TLS 1.2, 1.3} x
// {HTTP/1.1, HTTP/2} x {full, resumed} x {new, kept-alive connection}: one decision for each certificate, however it
// comes.
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

struct Case {
    const char* name;
    const Identity* identity;
    std::vector<const Identity*> chain;
    const char* reason;  // "granted" for 200
};

struct Way {
    int tls;
    bool http2;
    bool tickets;
};

std::string way_name(const Way& way) {
    return std::string(way.tls == TLS1_2_VERSION ? "tls12" : "tls13") + (way.http2 ? "-h2" : "-h1") +
           (way.tickets ? "" : "-cache");
}

// One client that can ask, ask again on the same connection, and ask on a new one with the old session.
class AnyClient {
public:
    AnyClient(const Site& site, const Case& c, const Way& way) : port_(site.httpd.port()), http2_(way.http2) {
        options_.identity = c.identity;
        options_.chain = c.chain;
        options_.tls = way.tls;
        options_.tickets = way.tickets;
        if (http2_) {
            h2_ = std::make_unique<Http2Client>(port_, options_, site.httpd.root());
        } else {
            h1_ = std::make_unique<TlsClient>(port_, options_);
        }
    }
    Response get(const std::string& path) { return http2_ ? h2_->get(path) : h1_->get(path); }
    void resume() {
        if (http2_) return h2_->fresh();
        const SslSessionPtr session = h1_->session();
        h1_ = std::make_unique<TlsClient>(port_, options_, session.get());
        CHECK(h1_->resumed());
    }

private:
    int port_;
    bool http2_;
    ClientOptions options_;
    std::unique_ptr<TlsClient> h1_;
    std::unique_ptr<Http2Client> h2_;
};

void expect(Site& site, const Response& response, const std::string& path, const std::string& reason) {
    const std::string what = path + ": " + site.log_about(path);
    test::check_equal(response.status, reason == "granted" ? 200 : 403, what, __FILE__, __LINE__);
    test::check_equal(site.reason_for(path), reason, what, __FILE__, __LINE__);
}

const std::vector<Way> kWays = {{TLS1_2_VERSION, false, true}, {TLS1_2_VERSION, false, false},
                                {TLS1_3_VERSION, false, true}, {TLS1_3_VERSION, false, false},
                                {TLS1_2_VERSION, true, true},  {TLS1_3_VERSION, true, true}};

void run_matrix(const std::string& mpm) {
    const World& w = world();
    // optional_no_ca, so that every certificate gets as far as the gate, on sessions that can be resumed.
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.tls("SSLVerifyClient optional_no_ca")
        .start("<Location /gate>\n MTLSAllow partner acme twin-a twin-b\n</Location>", mpm);
    const std::vector<Case> cases = {
        {"right", &w.acme, {}, "granted"},
        {"by-sub-ca", &w.acme_by_sub, {&w.acme_sub}, "granted"},
        {"by-sub-ca-alone", &w.acme_by_sub, {}, "not-verified"},
        {"none", nullptr, {}, "no-certificate"},
        {"stranger", &w.acme_from_stranger, {}, "not-verified"},
        {"stranger-with-ca", &w.acme_from_stranger, {&w.stranger_ca}, "not-verified"},
        {"other-partners-ca", &w.acme_from_globex, {}, "wrong-issuer"},
        {"lookalike-ca", &w.acme_from_lookalike, {}, "wrong-issuer"},
        {"lookalike-with-ca", &w.acme_from_lookalike, {&w.lookalike_ca}, "wrong-issuer"},
        {"other-partner", &w.globex, {}, "not-allowed"},
        {"unnamed", &w.unnamed, {}, "unknown-partner"},
        {"ambiguous", &w.ambiguous, {}, "ambiguous"},
        {"malformed", &w.malformed, {}, "malformed-certificate"},
    };
    for (const Way& way : kWays) {
        if (way.http2 && mpm == "prefork") continue;
        for (const Case& c : cases) {
            AnyClient client(site, c, way);
            const std::string base = "/gate/" + std::string(c.name) + "-" + way_name(way);
            expect(site, client.get(base + "-full-new"), base + "-full-new", c.reason);
            expect(site, client.get(base + "-full-kept"), base + "-full-kept", c.reason);
            client.resume();
            expect(site, client.get(base + "-resumed-new"), base + "-resumed-new", c.reason);
            expect(site, client.get(base + "-resumed-kept"), base + "-resumed-kept", c.reason);
            if (c.identity != nullptr && std::string(c.reason) == "granted") {
                CHECK_CONTAINS(site.log_about(base + "-resumed-new"), "resumed=yes");
                CHECK_CONTAINS(site.log_about(base + "-full-new"), "resumed=no");
            }
        }
    }
    CHECK_EQUAL(site.httpd.unclaimed_errors({": denied "}).size(), 0U);
}

}  // namespace

CLAIM(decides_alike_however_the_certificate_comes_event) { run_matrix("event"); }
CLAIM(decides_alike_however_the_certificate_comes_worker) { run_matrix("worker"); }
CLAIM(decides_alike_however_the_certificate_comes_prefork) { run_matrix("prefork"); }

CLAIM(denies_a_certificate_that_expires_while_connected_and_when_resumed) {
    const World& w = world();
    Site site;
    site.start("<Location /gate>\n MTLSAllow partner acme\n</Location>");
    CertSpec spec;
    spec.subject = {{"CN", "brief"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_after = 5;
    const Identity brief = issue(spec, &w.acme_ca);
    const Case c{"brief", &brief, {}, "expired"};
    std::vector<std::unique_ptr<AnyClient>> clients;
    for (const Way& way : kWays) {
        clients.push_back(std::make_unique<AnyClient>(site, c, way));
        CHECK_EQUAL(clients.back()->get("/gate/valid-" + way_name(way)).status, 200);
    }
    std::this_thread::sleep_for(std::chrono::seconds(7));
    for (std::size_t i = 0; i < kWays.size(); ++i) {
        const std::string base = "/gate/brief-" + way_name(kWays[i]);
        expect(site, clients[i]->get(base + "-kept"), base + "-kept", "expired");
        clients[i]->resume();
        expect(site, clients[i]->get(base + "-resumed"), base + "-resumed", "expired");
    }
}

CLAIM(streams_of_one_http2_connection_are_decided_at_once_and_alike) {
    Site site;
    site.start(
        "<Location /gate>\n MTLSAllow partner acme\n</Location>\n<Location /gate/globex>\n MTLSAllow partner globex\n"
        "</Location>");
    ClientOptions options;
    options.identity = &world().acme;
    Http2Client client(site.httpd.port(), options, site.httpd.root());
    std::vector<std::string> paths;
    for (int i = 0; i < 60; ++i) paths.push_back((i % 2 == 0 ? "/gate/a" : "/gate/globex/a") + std::to_string(i));
    const auto answers = client.get_all(paths);
    for (std::size_t i = 0; i < answers.size(); ++i) CHECK_EQUAL(answers[i].status, i % 2 == 0 ? 200 : 403);
}
