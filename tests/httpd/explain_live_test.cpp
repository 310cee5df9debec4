// mtls-authz --live: what it says of a running server is what the server does.
#include "claims.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

const std::string kRefusing = "MTLSRevocationFile revoked/list.conf\n";

}  // namespace

CLAIM(explain_live_asks_gates_and_refusals_of_the_server) {
    ToolSite site;
    site.start(kRefusing + "<Location /gate/globex>\n MTLSAllow partner globex\n</Location>\n");
    const auto granted = site.explain("acme", "/gate/x");
    CHECK_EQUAL(granted.status, 0);
    CHECK_CONTAINS(granted.text, "allow: granted\n");
    CHECK_CONTAINS(granted.text, "  gate: <Location /gate> at ");
    CHECK_CONTAINS(granted.text, "  rule: any-partner at ");
    CHECK_CONTAINS(granted.text, "in force: generation ");
    CHECK_CONTAINS(granted.text, "; its revocation files and CRLs were asked\n");
    CHECK_EQUAL(site.answer("acme", "/gate/globex/x"), "deny: not-allowed");
    CHECK_EQUAL(site.answer("globex", "/gate/globex/x"), "allow: granted");
    CHECK_EQUAL(site.explain("unnamed", "/gate/x").status, 3);
    CHECK_EQUAL(site.answer("unnamed", "/gate/x"), "deny: unknown-partner");
    CHECK_EQUAL(site.answer("unnamed", "/free/x"), "allow: no gate covers the path");
    CHECK_EQUAL(site.answer("acme", ""), "allow: granted");
    // What files take away counts at once, for the tool as for the server.
    site.refuse("MTLSSuspend globex note=audit\n");
    becomes([&] { return site.get(world().globex); }, 403, "suspended");
    CHECK_CONTAINS(site.answer("globex", "/gate/x"), "deny: suspended");
    CHECK_EQUAL(site.explain("globex", "/gate/x").status, 3);
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    // And so does an edit of the policy.
    const std::string before = site.answer_json("acme", "/gate/x")["generation"];
    site.drop("acme.conf");
    becomes([&] { return site.get(world().acme); }, 403, "acme is gone");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "deny: not-verified");
    CHECK(site.answer_json("acme", "/gate/x")["generation"] != before);
}

CLAIM(explain_live_knows_keys_that_no_handshake_takes) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    ToolSite site;
    site.start("");
    for (const auto& [curve, is_taken] : {std::pair("P-384", true), std::pair("secp256k1", false)}) {
        const Identity who = issue(spec, &w.acme_ca, mtls::EvpPkeyPtr(EVP_EC_gen(curve)));
        site.httpd.write("certs/odd.pem", who.cert_pem());
        const std::string answer = site.answer("odd", "/gate/x");
        CHECK_EQUAL(answer == "allow: granted", is_taken);
        CHECK_EQUAL(answer.find("not known: TLS 1.3 takes no key of this kind") == 0, !is_taken);
        CHECK_EQUAL(site.get(who) == 200, is_taken);
    }
}

CLAIM(explain_live_asks_for_the_address_where_it_decides) {
    ToolSite site;
    site.put("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                  "MTLSNetwork 127.0.0.0/8"));
    site.start("<Location /gate/log>\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "not known: it is let in from 127.0.0.0/8 alone: say the client's");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--from", "127.0.0.1"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/gate/x", {"--from", "192.0.2.1"}), "deny: wrong-network");
    // Where no gate is, the address decides nothing; one that only logs says what it would deny.
    CHECK_EQUAL(site.answer("acme", "/free/x"), "allow: no gate covers the path");
    CHECK_CONTAINS(site.answer("acme", "/gate/log/x"), "not known: it is let in from 127.0.0.0/8 alone");
    CHECK_CONTAINS(site.answer("acme", "/gate/log/x", {"--from", "192.0.2.1"}), "it would deny: wrong-network");
    CHECK_CONTAINS(site.answer("unnamed", "/gate/log/x"), "it would deny: unknown-partner");
}

CLAIM(explain_live_asks_the_crls_in_force) {
    ToolSite site;
    site.httpd.write("crl/acme.pem", make_crl(world().acme_ca, {}));
    site.start("MTLSCRLFile crl/*.pem\n");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    CHECK_EQUAL(site.get(world().acme), 200);
    CrlSpec spec;
    spec.revoked = {{&world().acme, -1}};
    spec.number = 2;
    site.httpd.write("crl/acme.pem", make_crl(world().acme_ca, spec));
    becomes([&] { return site.get(world().acme); }, 403, "revoked");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "deny: revoked");
    CHECK_EQUAL(site.answer("globex", "/gate/x"), "allow: granted");
    CHECK(site.httpd.wait_for_log("1 CRL(s); CRLs refuse acme, last seen "));
}

CLAIM(explain_live_says_what_only_httpd_can_tell) {
    ToolSite site;
    site.start(
        "<Location /if>\n MTLSAllow partner acme\n <If \"%{HTTP_USER_AGENT} =~ /x/\">\n  MTLSAllow any-partner\n "
        "</If>\n"
        "</Location>\n<Location /req>\n Require mtls-partner acme\n</Location>\n<Location /log>\n"
        " MTLSAllow partner acme\n MTLSAuthz LogOnly\n</Location>\n<Location /top>\n MTLSAllow "
        "any-partner\n</Location>\n"
        "<Location /top/secret>\n MTLSAllow partner acme\n</Location>\n"
        "<LocationMatch \"^/own/(?<WHO>.+)$\">\n MTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n"
        "<Location /by>\n MTLSAllow by-grant\n</Location>\nMTLSGrant * /by/* /by/all/**\n");
    // acme passes with the <If> and without it; of globex, the server alone can tell.
    CHECK_EQUAL(site.answer("acme", "/if/x"), "allow: granted");
    CHECK_EQUAL(site.explain("globex", "/if/x").status, 2);
    CHECK_CONTAINS(site.answer("globex", "/if/x"), "not known: it depends on whether these sections apply");
    CHECK_CONTAINS(site.answer("unnamed", "/if/x"), "deny: unknown-partner");
    CHECK_CONTAINS(site.answer("acme", "/req/x"), "not known: Require mtls-*");
    CHECK_EQUAL(site.answer_json("acme", "/req/x")["decision"], "unknown");
    CHECK_EQUAL(site.answer("globex", "/log/x"), "allow: the gate is LogOnly; it would deny: not-allowed");
    CHECK_EQUAL(site.answer_json("globex", "/log/x")["would_deny"], true);
    CHECK_EQUAL(site.answer("acme", "/log/x"), "allow: granted");
    // A recursive method may reach the gate below.
    CHECK_CONTAINS(site.answer("acme", "/top", {"--method", "DELETE"}), "not known: whether DELETE reaches <Location");
    CHECK_EQUAL(site.answer("acme", "/top/secret/x", {"--method", "DELETE"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/if/x", {"--method", "DELETE"}), "not known: whether DELETE reaches <If");
    CHECK_EQUAL(site.answer("acme", "/if2", {"--method", "DELETE"}), "allow: no gate covers the path");
    for (const char* method : {"SEARCH", "LABEL", "UPDATE"}) {
        CHECK_CONTAINS(site.answer("acme", "/top", {"--method", method}), std::string("not known: whether ") + method);
    }
    CHECK_EQUAL(site.answer("acme", "/top", {"--method", "PROPPATCH"}), "allow: granted");
    // A recursive method may also need a grant for what is below the path.
    CHECK_CONTAINS(site.answer("acme", "/by/x", {"--method", "PROPFIND"}), "has to end in /** depends on its Depth");
    CHECK_EQUAL(site.answer("acme", "/by/x"), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/by/all/x", {"--method", "PROPFIND"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/own/acme", {}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/own/acme", {"--method", "DELETE"}), "not known: whether DELETE reaches <Loc");
    CHECK_EQUAL(site.answer("acme", "/top", {"--method", "TRACE"}),
                "deny: method-not-granted (TRACE is refused where "
                "a gate applies)");
    CHECK_CONTAINS(site.answer("acme", "/top;/x/../secret", {}), "deny: bad-path");
    CHECK_CONTAINS(site.explain("acme", "/top/").text, "its index (DirectoryIndex)");
    CHECK_CONTAINS(site.explain("acme", "/top/").text, "AliasMatch");
}

CLAIM(explain_live_allows_nothing_that_the_handshake_may_refuse) {
    ToolSite site;
    site.httpd.write("client-cas.pem", world().globex_ca.cert_pem());
    site.start();
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "not known: mod_ssl may refuse it in the handshake already");
    CHECK_EQUAL(site.get(world().acme), 0);
    CHECK_EQUAL(site.answer("globex", "/gate/x"), "allow: granted");
    CHECK_EQUAL(site.get(world().globex), 200);
}

CLAIM(explain_live_does_not_foretell_what_a_responder_answers_in_the_handshake) {
    for (const char* setting : {"on", "leaf", "off"}) {
        ToolSite site;
        site.httpd.set_tls_lines("SSLVerifyClient optional\nSSLOCSPEnable " + std::string(setting) +
                                 "\nSSLOCSPDefaultResponder http://127.0.0.1:1/\n");
        site.start();
        const bool asks = std::string(setting) != "off";
        CHECK_EQUAL(
            site.answer("acme", "/gate/x"),
            asks ? "not known: mod_ssl asks an OCSP responder in the handshake (SSLOCSPEnable)" : "allow: granted");
        CHECK_EQUAL(site.get(world().acme), asks ? 0 : 200);
        // Whom the gate denies is denied whatever the responder says.
        CHECK_CONTAINS(site.answer("unnamed", "/gate/x"), "deny: unknown-partner");
    }
}

CLAIM(explain_live_knows_that_the_handshake_takes_live_anchors) {
    ToolSite site;
    CertSpec spec;
    spec.subject = {{"CN", "late"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -7200;
    spec.not_after = -3600;
    site.certificate("late", issue(spec, &world().acme_ca));
    site.certificate("stranger", world().acme_from_stranger);
    site.httpd.write("client-cas.pem", world().globex_ca.cert_pem());
    site.httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\nSSLVerifyDepth 5\n");
    site.start("<Location /gate/log>\n MTLSAuthz LogOnly\n</Location>\n");
    // Of a partner's CA, but no partner's: the handshake lets it in nevertheless.
    CHECK_EQUAL(site.answer("unnamed", "/gate/log/x"), "allow: the gate is LogOnly; it would deny: unknown-partner");
    CHECK_EQUAL(site.answer("unnamed", "/free/x"), "allow: no gate covers the path");
    CHECK_EQUAL(site.get(world().unnamed, "/free/x"), 200);
    CHECK_CONTAINS(site.answer("stranger", "/free/x"), "in the handshake already: unable to get local issuer");
    CHECK_EQUAL(site.get(world().acme_from_stranger, "/free/x"), 0);
    CHECK_CONTAINS(site.answer("late", "/free/x"), "in the handshake already: certificate has expired");
}

CLAIM(explain_live_asks_whether_this_host_asks_for_certificates) {
    const std::string gates = "<Location /a>\n SSLVerifyClient require\n MTLSAllow any-partner\n</Location>\n";
    // The setting of the main server does not count where the host has one of its own.
    ToolSite site;
    site.httpd.set_tls_lines("SSLVerifyClient none\n");
    site.start("SSLVerifyClient optional\n");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "deny: no-certificate (SSLVerifyClient is none here)");
    CHECK_EQUAL(site.get(world().acme), 403);
    CHECK_CONTAINS(site.answer("acme", "/free/x"), "no gate covers the path");
    ToolSite partly;
    partly.httpd.set_tls_lines("SSLVerifyClient none\n");
    partly.start(gates);
    CHECK_CONTAINS(partly.answer("acme", "/a"),
                   "not known: this host asks for no certificate (SSLVerifyClient), but "
                   "<Location /a> does");
    CHECK_CONTAINS(partly.answer("acme", "/gate/x"), "not known: this host asks for no certificate");
    CHECK_EQUAL(partly.get(world().acme), 403);
}

CLAIM(explain_live_asks_networks_and_slashes_as_the_server_does) {
    ToolSite site;
    site.put("acme.conf",
             partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\nMTLSNetwork 10.0.0.0/8"));
    site.start("<Location /log>\n MTLSAllow partner acme\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_CONTAINS(site.answer("acme", "/log/x"), "not known: it is let in from 10.0.0.0/8 alone");
    CHECK_EQUAL(site.answer("acme", "/log/x", {"--from", "10.1.1.1"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/log/x", {"--from", "127.0.0.1"}), "it would deny: wrong-network");
    CHECK_CONTAINS(site.answer("acme", "//log/x", {"--from", "10.1.1.1"}), "not known: httpd merges the slashes");
    CHECK_EQUAL(site.answer("acme", "/log//x", {"--from", "10.1.1.1"}), "allow: granted");
}

CLAIM(explain_live_counts_the_cas_that_ssl_verify_depth_allows) {
    for (const bool is_enough : {true, false}) {
        ToolSite site;
        site.certificate("by-sub", world().acme_by_sub, world().acme_sub.cert_pem());
        site.httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\nSSLVerifyDepth " +
                                 std::string(is_enough ? "2" : "1") + "\n");
        site.start();
        ClientOptions who;
        who.identity = &world().acme_by_sub;
        who.chain = {&world().acme_sub};
        int status = 0;
        try {
            status = TlsClient(site.httpd.port(), who).get("/gate/x").status;
        } catch (const std::exception&) {
            // The handshake was refused.
        }
        CHECK_EQUAL(status, is_enough ? 200 : 0);
        const std::string said = site.answer("by-sub", "/gate/x");
        if (is_enough) CHECK_EQUAL(said, "allow: granted");
        if (!is_enough) CHECK_CONTAINS(said, "its chain has 2 CAs, and SSLVerifyDepth is 1");
        CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    }
}

CLAIM(explain_live_chooses_the_virtual_host_that_is_asked_for) {
    ToolSite site;
    const std::string port = std::to_string(site.httpd.port());
    site.start(
        "<VirtualHost 127.0.0.1:" + port +
        ">\n ServerName other.example\n ServerAlias *.other.example\n SSLEngine on\n SSLCertificateFile server.pem\n"
        " SSLCertificateKeyFile server.pem\n SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n"
        " SSLVerifyDepth 5\n <Location /gate>\n  MTLSAllow partner globex\n </Location>\n</VirtualHost>\n");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "several virtual hosts could be meant");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "localhost"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "other.example"}), "deny: not-allowed");
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "a.other.example:" + port}), "allow: granted");
    CHECK_CONTAINS(site.answer("globex", "/gate/x", {"--host", "nobody.example"}), "no virtual host is called");
}

CLAIM(explain_live_asks_the_first_of_several_virtual_hosts_that_a_name_fits_as_httpd_does) {
    ToolSite site;
    const std::string port = std::to_string(site.httpd.port());
    const auto host = [&port](const std::string& names, const std::string& partner) {
        return "<VirtualHost 127.0.0.1:" + port + ">\n " + names +
               "\n SSLEngine on\n SSLCertificateFile server.pem\n SSLCertificateKeyFile server.pem\n"
               " SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n SSLVerifyDepth 5\n"
               " <Location /gate>\n  MTLSAllow partner " +
               partner + "\n </Location>\n</VirtualHost>\n";
    };
    site.start(host("ServerName www.example\n ServerAlias *.example", "acme") +
               host("ServerName api.example", "globex") + host("ServerName one.test", "globex") +
               host("ServerName one.test", "acme"));
    const auto ask = [&](const Identity& who, const std::string& name) {
        return TlsClient(site.httpd.port(), {.identity = &who, .server_name = name}).get("/gate/x").status;
    };
    CHECK_EQUAL(ask(world().acme, "api.example"), 200);
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "api.example"}), "allow: granted");
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "api.example"}), "deny: not-allowed");
    CHECK_EQUAL(ask(world().globex, "one.test"), 200);
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "one.test"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "one.test"}), "deny: not-allowed");
}

CLAIM(explain_live_asks_folders_below_the_document_root) {
    ToolSite site;
    fs::create_directories(site.httpd.path("htdocs/a/b"));
    site.httpd.write("htdocs/a/b/x.html", "x");
    site.httpd.configure("MTLSPolicyFile partners/*.conf\n<Directory \"" + site.httpd.path("htdocs/a") +
                         "\">\n MTLSAllow partner acme\n</Directory>\n<Directory \"" + site.httpd.path("htdocs/none") +
                         "\">\n MTLSAllow partner acme\n</Directory>\n");
    site.httpd.start();
    CHECK_EQUAL(site.answer("acme", "/a/b/x.html"), "allow: granted");
    CHECK_EQUAL(site.get(world().acme, "/a/b/x.html"), 200);
    CHECK_EQUAL(site.answer("globex", "/a/b/x.html"), "deny: not-allowed");
    CHECK_EQUAL(site.get(world().globex, "/a/b/x.html"), 403);
    CHECK_EQUAL(site.answer("globex", "/ok.html"), "allow: no gate covers the path");
    CHECK_CONTAINS(site.answer("globex", "/none/x"), "not known: ");
}
