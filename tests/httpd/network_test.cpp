// MTLSNetwork: a partner is let in from its networks alone, whatever a request before it on the connection was granted.
#include "claims.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

std::string acme_from(const std::string& networks) {
    return partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" + networks);
}

// Every client of these tests is at 127.0.0.1; what a proxy there says it is asked for comes with the request.
constexpr const char* kRemoteIp = "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n";

std::string client_at(const std::string& address) { return "X-Client: " + address + "\r\n"; }

}  // namespace

CLAIM(a_partner_with_networks_is_let_in_from_there_alone) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", acme_from("MTLSNetwork 198.51.100.0/25"));
    site.put("globex.conf", kGlobex);
    site.start(
        "<Location /free/any>\nRequire mtls-any-partner\n</Location>\n<Location /free/user>\nAuthType MTLS\n"
        "Require valid-user\n</Location>\n<Location /free/only>\nMTLSAuthz LogOnly\nMTLSAllow partner acme\n"
        "</Location>\n");
    const std::vector<std::string> closed = {"/gate/x", "/free/any/x", "/free/user/x"};
    for (const std::string& path : closed) {
        CHECK_EQUAL(site.get(w.acme, path), 403);
        CHECK_EQUAL(site.get(w.globex, path), 200);
    }
    CHECK_EQUAL(site.get(w.acme, "/free/only/x"), 200);
    CHECK(site.httpd.wait_for_log("denied GET \"/gate/x\": reason=wrong-network"));
    const std::string log = site.httpd.error_log();
    CHECK_CONTAINS(log, "reason=wrong-network detail=\"127.0.0.1 is not in 198.51.100.0/25\" claimed=acme");
    CHECK_CONTAINS(log, "would-deny GET \"/free/only/x\": reason=wrong-network");
    CHECK_CONTAINS(log, "MTLSNetwork");
    // The nearest allow.
    site.put("acme.conf", acme_from("MTLSNetwork 198.51.100.0/25\nMTLSNetwork 2001:db8::/32 127.0.0.1"));
    for (const std::string& path : closed) {
        becomes([&] { return site.get(w.acme, path); }, 200, path.c_str());
    }
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);  // a network never grants
    CHECK(site.httpd.wait_for_log("reason=wrong-issuer"));
}

CLAIM(the_network_is_asked_of_each_request_whatever_was_granted_before) {
    const World& w = world();
    LiveSite site;
    site.httpd.load("remoteip");
    site.put("acme.conf", acme_from("MTLSNetwork 198.51.100.0/25 2001:db8::/32"));
    site.put("globex.conf", kGlobex);
    site.start(kRemoteIp);
    TlsClient acme(site.httpd.port(), as(w.acme));
    const std::pair<const char*, int> rows[] = {{"198.51.100.7", 200},   {"198.51.100.7", 200}, {"198.51.100.128", 403},
                                                {"198.51.100.127", 200}, {"203.0.113.7", 403},  {"2001:db8::7", 200},
                                                {"2001:db9::7", 403},    {"127.0.0.1", 403},    {"198.51.100.7", 200}};
    for (const auto& [address, status] : rows) {
        test::check_equal(acme.get("/gate/x", client_at(address)).status, status, address, __FILE__, __LINE__);
        CHECK_EQUAL(acme.get("/gate/x").status, 403);
    }
    TlsClient globex(site.httpd.port(), as(w.globex));
    for (const auto& [address, status] : rows) CHECK_EQUAL(globex.get("/gate/x", client_at(address)).status, 200);
    // An IPv4 address is the same where a socket for both families gives it.
    CHECK_EQUAL(acme.get("/gate/x", client_at("::ffff:198.51.100.7")).status, 200);
    CHECK_EQUAL(acme.get("/gate/x", client_at("::ffff:203.0.113.7")).status, 403);
    // The connection's own address, remembered, is not that of a request by way of a proxy.
    site.put("acme.conf", acme_from("MTLSNetwork 127.0.0.0/8"));
    becomes([&] { return acme.get("/gate/x").status; }, 200, "the new network");
    for (int i = 0; i < 3; ++i) {
        CHECK_EQUAL(acme.get("/gate/x").status, 200);
        CHECK_EQUAL(acme.get("/gate/x", client_at("198.51.100.7")).status, 403);
    }
}

CLAIM(a_network_that_changes_counts_on_open_connections) {
    const World& w = world();
    for (const char* mpm : {"event", "prefork"}) {
        LiveSite site;
        site.put("acme.conf", acme_from(""));
        site.start("", mpm);
        TlsClient acme(site.httpd.port(), as(w.acme));
        for (int i = 0; i < 3; ++i) CHECK_EQUAL(acme.get("/gate/x").status, 200);
        site.put("acme.conf", acme_from("MTLSNetwork 198.51.100.0/24"));
        becomes([&] { return acme.get("/gate/x").status; }, 403, "another network");
        site.put("acme.conf", acme_from("MTLSNetwork 127.0.0.0/8"));
        becomes([&] { return acme.get("/gate/x").status; }, 200, "its own again");
        for (int i = 0; i < 3; ++i) CHECK_EQUAL(acme.get("/gate/x").status, 200);
        if (std::string(mpm) == "prefork") continue;
        Http2Client h2(site.httpd.port(), as(w.acme), site.httpd.root());
        CHECK_EQUAL(h2.get("/gate/x").status, 200);
        site.put("acme.conf", acme_from("MTLSNetwork 198.51.100.0/24"));
        becomes([&] { return h2.get("/gate/x").status; }, 403, "another network over HTTP/2");
    }
}

CLAIM(refuses_networks_that_cannot_be_meant) {
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSNetwork", "expected CIDR..."},
        {"MTLSNetwork 198.51.100.7/24", "did you mean 198.51.100.0/24?"},
        {"MTLSNetwork 2001:db8::1/32", "did you mean 2001:db8::/32?"},
        {"MTLSNetwork 198.51.100.0/33", "0 to 32"},
        {"MTLSNetwork api.acme.example", "is no IP address"},
        {"MTLSNetwork 198.51.100.0/24,127.0.0.1", "0 to 32"},
        {"MTLSNetwork ::ffff:198.51.100.0/120", "write 198.51.100.0/24"},
        {"MTLSNetwork ::ffff:198.51.100.7", "write 198.51.100.7"},
    };
    for (const auto& [line, said] : rows) {
        LiveSite site;
        site.put("acme.conf", acme_from(line));
        site.configure();
        const Httpd::Output output = site.httpd.run({"-t"});
        CHECK(output.status != 0);
        CHECK_CONTAINS(output.text, said);
    }
}
