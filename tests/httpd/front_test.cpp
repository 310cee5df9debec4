// MTLSFront and MTLSAcceptFront: who is believed, where, and what is refused. The front is a client that sends what a
// balancer would send; front_servers_test.cpp has real ones.
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "claims.hpp"
#include "front_fields.hpp"
#include "front_site.hpp"
#include "h2c_client.hpp"
#include "live_site.hpp"

using namespace test;
using namespace test::fronts;
using namespace test::h2c;

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

CLAIM(a_chain_that_a_front_could_not_write_is_named_where_no_path_is_found) {
    const World& w = world();
    FrontSite s(kGate, "MTLSFront header=Client-Cert chain=Client-Cert-Chain format=rfc9440");
    const std::string empty = "Client-Cert-Chain:\r\n";
    CHECK_EQUAL(s.through("/gate/empty", cert(w.acme_from_stranger) + empty).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/empty"), "not-verified");
    CHECK_CONTAINS(s.detail_for("/gate/empty"), "Client-Cert-Chain is empty: the front had no chain of its client");
    CHECK_CONTAINS(s.detail_for("/gate/empty"), "tune.bufsize");
    // Not where it is missing or no path was looked for, and a chain that is not needed may be empty.
    CHECK_EQUAL(s.through("/gate/none", cert(w.acme_from_stranger)).status, 403);
    CHECK_EQUAL(s.reason_for("/gate/none"), "not-verified");
    CHECK_EQUAL(s.detail_for("/gate/none"), "");
    CHECK_EQUAL(s.through("/gate/unknown", cert(w.unnamed) + empty).status, 403);
    CHECK_EQUAL(s.detail_for("/gate/unknown").find("Client-Cert-Chain"), std::string::npos);
    CHECK_EQUAL(s.through("/gate/good", cert(w.acme) + empty).status, 200);
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

CLAIM(no_advice_lets_a_front_in_for_itself) {
    const World& w = world();
    FrontSite s(location("/status", "SetHandler mtls-authz-status\nMTLSStatus On") +
                location("/gate", "MTLSAllow partner acme\nMTLSAcceptFront lb\nMTLSErrorDetail On") +
                location("/gate/read", "MTLSAllow partner lb methods=GET") +
                location("/gate/direct", "MTLSAcceptFront none") +
                location("/free/require", "Require mtls-partner acme\nMTLSAcceptFront lb\nMTLSErrorDetail On"));
    for (const char* path : {"/gate/x", "/free/require"}) {
        const Response alone = s.get(&edge().lb, path);
        CHECK_EQUAL(alone.status, 403);
        const auto told = nlohmann::json::parse(alone.body);
        CHECK_EQUAL(told["reason"].get<std::string>(), "no-certificate");
        CHECK(!told.contains("certificate"));
        CHECK_EQUAL(s.reason_for(path), "not-allowed");
        CHECK_EQUAL(s.detail_for(path), "the front lb sent no certificate of its client");
        CHECK_CONTAINS(s.log_about(path), "never let the front in for itself");
        CHECK(s.log_about(path).find("MTLSAllow") == std::string::npos);
    }
    const std::string page = plain_get(s.httpd.plain_port(), "/status?format=html").body;
    CHECK_CONTAINS(page, "never let the front in for itself");
    CHECK_EQUAL(s.get(&edge().lb, "/gate/read/x", "", "POST").status, 403);
    CHECK_EQUAL(s.reason_for("/gate/read/x"), "method-not-granted");
    CHECK_CONTAINS(s.log_about("/gate/read/x"), "never let the front in for itself");
    // A client that came with its certificate, and the front where it is none, are told as ever.
    CHECK_EQUAL(nlohmann::json::parse(s.through("/gate/y", cert(w.globex)).body)["reason"].get<std::string>(),
                "not-allowed");
    CHECK_CONTAINS(s.log_about("/gate/y"), "add it with MTLSAllow");
    CHECK_EQUAL(s.get(&edge().lb, "/gate/direct/x").status, 403);
    CHECK_CONTAINS(s.log_about("/gate/direct/x"), "add it with MTLSAllow");
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
    CHECK_CONTAINS(s.detail_for("/gate/acme/tunnel"),
                   "a request has upgraded the connection (Upgrade: h2c, CONNECT, or an answer 101)");
}

namespace {

// A program that answers with the status in its query string; also to what has no path of its own, and to errors.
struct WithProgram : Site {
    WithProgram() {
        install(httpd);
        httpd.write("page.cgi", "#!/bin/sh\nprintf \"Status: $QUERY_STRING\\nContent-Length: 0\\n\\n\"\n");
        CHECK_EQUAL(std::system(("chmod a+x " + httpd.path("page.cgi")).c_str()), 0);
        tls("SSLVerifyClient optional_no_ca").load("cgi").load("rewrite");
        vhost(
            "RewriteEngine On\nRewriteCond %{THE_REQUEST} refused\nRewriteCond %{REQUEST_URI} !page\nRewriteRule .* - "
            "[F]\nRewriteRule ^/?$ /page?200 "
            "[PT]\nScriptAlias /page \"" +
            httpd.path("page.cgi") + "\"\nErrorDocument 403 /page?200\n");
        start(front_partner(kRfc9440) + kGate + "<Files page.cgi>\nRequire all granted\n</Files>\n");
    }
    // What the front's client is answered after this request on the same connection; 0: it is closed.
    int after(const std::string& method, const std::string& path, int status) {
        TlsClient lb(httpd.port(), as(edge().lb));
        CHECK_EQUAL(lb.get("/gate/before", cert(world().acme)).status, 200);
        check_equal(lb.get(path, "", method).status, status, method + " " + path, __FILE__, __LINE__);
        return lb.get("/gate/after", cert(world().acme)).status;
    }
};

}  // namespace

CLAIM(after_connect_nothing_is_read_on_a_fronts_connection) {
    WithProgram s;
    CHECK_EQUAL(s.after("CONNECT", "localhost:443", 200), 0);
    CHECK_EQUAL(s.after("OPTIONS", "/", 200), 200);
    // Nor if an error's program answers it.
    CHECK_EQUAL(s.after("CONNECT", "refused:443", 200), 0);
}

CLAIM(nothing_is_believed_on_a_connection_after_a_program_answered_101) {
    WithProgram s;
    CHECK_EQUAL(s.after("GET", "/page?202", 202), 200);
    CHECK_EQUAL(s.after("GET", "/page?101", 101), 403);
    CHECK_EQUAL(s.reason_for("/gate/after"), "front-not-trusted");
}

CLAIM(by_its_address_a_front_is_believed_from_there_alone) {
    const World& w = world();
    const std::string by_address = "MTLSFront header=X-Cert format=der network=";
    const std::string header_of_acme = "X-Cert: " + as_der(w.acme) + "\r\n";
    FrontSite here(kGate, by_address + "127.0.0.0/8");
    CHECK_CONTAINS(here.httpd.error_log(), "MTLSFront of lb: every host in 127.0.0.0/8 can claim any certificate");
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
    FrontSite elsewhere(kGate, by_address + "127.0.0.0/8\nMTLSNetwork 10.9.0.0/16");
    CHECK_EQUAL(elsewhere.get(nullptr, "/gate/x", header_of_acme).status, 403);
    CHECK_CONTAINS(elsewhere.detail_for("/gate/x"), "the front itself is refused: wrong-network");
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
