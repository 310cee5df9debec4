// MTLSClientCA opens the virtual host that has it, and none beside it.
#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

// Virtual hosts of one address, all alike to mod_ssl: `on.example` (what a client without SNI gets), `quiet.example`
// and `off.example` by their MTLSClientCA; 127.0.0.1 has it Off, too. mod_ssl's own CAs are acme's and globex's; the
// stranger's is a live anchor alone.
struct Hosts {
    Httpd httpd;
    Hosts() : httpd(httpd_paths()) {
        world().install(httpd);
        httpd.write("stranger.pem", world().stranger_ca.cert_pem());
    }
    std::string vhost(const std::string& name, const std::string& mode, const std::string& lines) const {
        return "<VirtualHost 127.0.0.1:" + std::to_string(httpd.port()) + ">\nServerName " + name +
               "\nProtocols h2 http/1.1\nSSLEngine on\nSSLCertificateFile server.pem\nSSLCertificateKeyFile server.pem"
               "\nSSLCACertificateFile client-cas.pem\nSSLVerifyDepth 5\n" +
               lines + "MTLSClientCA " + mode + "\n</VirtualHost>\n";
    }
    void configure(const std::string& tls = "SSLVerifyClient optional\n", const std::string& modes = "On Quiet Off") {
        const std::string staff =
            "<Location /staff>\nRequire expr \"%{SSL_CLIENT_VERIFY} == 'SUCCESS'\"\n</Location>\n";
        std::string hosts;
        for (const auto& [name, mode] : {std::pair{"on.example", "On"},
                                         {"quiet.example", "Quiet"},
                                         {"off.example", "Off"},
                                         {"127.0.0.1", "Off"}}) {
            if (modes.find(mode) != std::string::npos) hosts += vhost(name, mode, tls + staff);
        }
        httpd.set_tls_lines(tls);
        httpd.configure("AliasMatch ^/(gate|free|staff|late)/ \"" + httpd.path("htdocs/ok.html") + "\"\n" + hosts +
                        "<MTLSPartner stranger>\nMTLSIdentity CN:api5\nMTLSTrustAnchor stranger.pem\n</MTLSPartner>\n"
                        "<Location /gate>\n MTLSAllow any-partner\n</Location>\n" +
                        World::policy());
    }
    void start(const std::string& tls = "SSLVerifyClient optional\n", const std::string& modes = "On Quiet Off") {
        configure(tls, modes);
        httpd.start();
    }
    TlsClient connect(ClientOptions options, const std::string& name, SSL_SESSION* session = nullptr) const {
        options.server_name = name;
        return TlsClient(httpd.port(), options, session);
    }
};

int ask(TlsClient& client, const std::string& host, const std::string& path) {
    return client.get(path, "Host: " + host + "\r\n").status;
}

const char* const kPaths[] = {"/gate/x", "/staff/x", "/free/x", "/"};

}  // namespace

CLAIM(who_only_live_anchors_let_in_is_misdirected_in_a_virtual_host_without_them) {
    const World& w = world();
    for (const char* verify : {"SSLVerifyClient optional\n", "SSLVerifyClient require\n",
                               "SSLVerifyClient optional\nSSLSessionTickets off\n"}) {
        Hosts hosts;
        hosts.start(verify);
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            for (const char* name : {"on.example", "quiet.example"}) {
                SslSessionPtr session;
                for (const bool resumed : {false, true}) {
                    TlsClient client = hosts.connect(as(w.acme_from_stranger, tls), name, session.get());
                    CHECK(client.connected() && client.resumed() == resumed);
                    for (const char* path : kPaths) CHECK_EQUAL(ask(client, "off.example", path), 421);
                    CHECK_EQUAL(ask(client, name, "/gate/x"), 200);
                    CHECK_EQUAL(ask(client, name, "/free/x"), 200);
                    CHECK_EQUAL(ask(client, "off.example", "/free/x"), 421);
                    CHECK_EQUAL(ask(client, "quiet.example", "/gate/x"), 200);
                    CHECK_EQUAL(ask(client, "on.example", "/staff/x"), 200);
                    session = client.session();
                }
            }
        }
        CHECK(hosts.httpd.wait_for_log("misdirected GET \"/free/x\""));
        CHECK_CONTAINS(hosts.httpd.error_log(), "vhost=off.example:");
    }
}

CLAIM(who_mod_ssls_own_cas_let_in_may_go_on_to_a_virtual_host_without_live_anchors) {
    const World& w = world();
    Hosts hosts;
    hosts.start();
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SslSessionPtr session;
        for (const bool resumed : {false, true}) {
            TlsClient client = hosts.connect(as(w.acme, tls), "on.example", session.get());
            CHECK(client.connected() && client.resumed() == resumed);
            for (const char* path : {"/gate/x", "/staff/x", "/free/x"}) {
                CHECK_EQUAL(ask(client, "off.example", path), 200);
            }
            session = client.session();
        }
        // Without a certificate nothing was verified that could be believed elsewhere.
        ClientOptions nobody;
        nobody.tls = tls;
        TlsClient client = hosts.connect(nobody, "on.example");
        CHECK_EQUAL(ask(client, "off.example", "/free/x"), 200);
        CHECK_EQUAL(ask(client, "off.example", "/gate/x"), 403);
    }
}

CLAIM(a_session_that_live_anchors_made_is_none_for_a_virtual_host_without_them) {
    const World& w = world();
    Hosts hosts;
    hosts.start();
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient first = hosts.connect(as(w.acme_from_stranger, tls), "on.example");
        CHECK_EQUAL(ask(first, "on.example", "/gate/x"), 200);
        const SslSessionPtr session = first.session();
        TlsClient second = hosts.connect(as(w.acme_from_stranger, tls), "off.example", session.get());
        for (const char* path : kPaths) {
            const int status = ask(second, "off.example", path);
            CHECK(second.resumed() ? status == 421 : status == 0);
        }
        TlsClient own = hosts.connect(as(w.acme, tls), "on.example");
        CHECK_EQUAL(ask(own, "on.example", "/gate/x"), 200);
        const SslSessionPtr kept = own.session();
        TlsClient again = hosts.connect(as(w.acme, tls), "off.example", kept.get());
        CHECK_EQUAL(ask(again, "off.example", "/staff/x"), 200);
    }
}

CLAIM(streams_of_http2_are_misdirected_too) {
    const World& w = world();
    Hosts hosts;
    hosts.start();
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Http2Client stranger(hosts.httpd.port(), as(w.acme_from_stranger, tls), hosts.httpd.root());
        Http2Client own(hosts.httpd.port(), as(w.acme, tls), hosts.httpd.root());
        for (int i = 0; i < 2; ++i) {
            for (const Response& r : stranger.get_all({"/gate/1", "/staff/2", "/free/3"})) CHECK_EQUAL(r.status, 421);
            for (const Response& r : own.get_all({"/gate/1", "/staff/2", "/free/3"})) CHECK_EQUAL(r.status, 200);
            stranger.fresh();
            own.fresh();
        }
    }
}

CLAIM(certificates_asked_for_per_location_do_not_lead_there_either) {
    const World& w = world();
    Hosts hosts;
    hosts.httpd.load("access_compat");
    hosts.start(
        "SSLVerifyClient none\n<Location /late>\nSSLVerifyClient optional\nSatisfy Any\nRequire all granted\n"
        "</Location>\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ClientOptions stranger = as(w.acme_from_stranger, tls);
        ClientOptions own = as(w.acme, tls);
        stranger.post_handshake_auth = own.post_handshake_auth = true;
        for (const char* name : {"on.example", "quiet.example"}) {
            // Asked for by the one that has it, then by the other.
            TlsClient first = hosts.connect(stranger, name);
            CHECK_EQUAL(ask(first, "off.example", "/free/x"), 200);
            CHECK_EQUAL(ask(first, name, "/late/x"), 200);
            CHECK_EQUAL(ask(first, "off.example", "/free/x"), 421);
            CHECK_EQUAL(ask(first, name, "/late/x"), 200);
            TlsClient second = hosts.connect(stranger, name);
            CHECK_EQUAL(ask(second, "off.example", "/late/x"), 421);
            TlsClient third = hosts.connect(own, name);
            CHECK_EQUAL(ask(third, name, "/late/x"), 200);
            CHECK_EQUAL(ask(third, "off.example", "/late/x"), 200);
            CHECK_EQUAL(ask(third, "off.example", "/staff/x"), 200);
        }
    }
}

CLAIM(a_misdirected_request_is_no_grant_in_the_audit_log) {
    Hosts hosts;
    hosts.start(
        "SSLVerifyClient none\nMTLSAuditLog logs/audit.log all\n<Location /late>\nSSLVerifyClient optional\n"
        "MTLSAllow any-partner\n</Location>\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ClientOptions stranger = as(world().acme_from_stranger, tls);
        stranger.post_handshake_auth = true;
        TlsClient client = hosts.connect(stranger, "on.example");
        CHECK_EQUAL(ask(client, "off.example", "/late/misdirected"), 421);
        CHECK_EQUAL(ask(client, "on.example", "/late/granted"), 200);
    }
    const auto log = [&] { return file_text(hosts.httpd.path("logs/audit.log")); };
    becomes([&] { return log().find("/late/granted") != std::string::npos ? 1 : 0; }, 1, "in the audit log");
    CHECK(log().find("/late/misdirected") == std::string::npos);
}

CLAIM(nothing_that_answers_early_answers_a_misdirected_request) {
    const World& w = world();
    Hosts hosts;
    hosts.httpd.load("rewrite");
    hosts.httpd.load("access_compat");
    hosts.start(
        "SSLVerifyClient optional\nErrorDocument 421 /free/misdirected.html\nRedirect /moved /free/x\n"
        "RewriteEngine On\nRewriteCond %{SSL:SSL_CLIENT_VERIFY} =SUCCESS\nRewriteRule ^/rewritten$ /free/x [R]\n"
        "<Location /any>\nSatisfy Any\nRequire all granted\n</Location>\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient client = hosts.connect(as(w.acme_from_stranger, tls), "on.example");
        for (const char* path : {"/moved", "/rewritten", "/any/x", "/free/x"}) {
            CHECK_EQUAL(ask(client, "off.example", path), 421);
        }
        CHECK_EQUAL(ask(client, "on.example", "/moved"), 302);
        CHECK_EQUAL(ask(client, "on.example", "/rewritten"), 302);
        CHECK_EQUAL(client.get("/free/x", "Host: off.example\r\n", "OPTIONS").status, 421);
        CHECK_EQUAL(client.get("/free/x", "Host: off.example\r\n", "TRACE").status, 421);
        CHECK_EQUAL(client.get("/free/x", "Host: off.example\r\n", "POST", "body").status, 421);
        CHECK_EQUAL(ask(client, "on.example", "/gate/x"), 200);
    }
}

CLAIM(what_mod_ssl_lets_in_unverified_goes_on_as_unverified) {
    const World& w = world();
    const Identity other_ca = make_ca("Other CA"), other = make_client("api5", "api.acme.example", other_ca);
    Hosts hosts;
    hosts.start("SSLVerifyClient optional_no_ca\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient first = hosts.connect(as(other, tls), "on.example");
        CHECK_EQUAL(ask(first, "off.example", "/free/x"), 200);
        CHECK_EQUAL(ask(first, "off.example", "/staff/x"), 403);
        CHECK_EQUAL(ask(first, "on.example", "/gate/x"), 403);
        const SslSessionPtr session = first.session();
        // Of TLS 1.2 sessions that are resumed mod_ssl says that they are verified, whatever they were.
        TlsClient second = hosts.connect(as(other, tls), "on.example", session.get());
        CHECK_EQUAL(second.resumed(), tls == TLS1_3_VERSION);
        CHECK_EQUAL(ask(second, "off.example", "/free/x"), 200);
        CHECK_EQUAL(ask(second, "off.example", "/staff/x"), 403);
        TlsClient stranger = hosts.connect(as(w.acme_from_stranger, tls), "on.example");
        CHECK_EQUAL(ask(stranger, "off.example", "/free/x"), 421);
        TlsClient own = hosts.connect(as(w.acme, tls), "on.example");
        CHECK_EQUAL(ask(own, "off.example", "/staff/x"), 200);
    }
}

CLAIM(who_optional_no_ca_lets_in_may_come_back_and_is_not_verified_then) {
    const World& w = world();
    const Identity other_ca = make_ca("Other CA"), other = make_client("api5", "api.acme.example", other_ca);
    Hosts hosts;
    hosts.start("SSLVerifyClient optional_no_ca\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const Identity* who : {&other, &w.acme_from_stranger}) {
            TlsClient first = hosts.connect(as(*who, tls), "off.example");
            CHECK_EQUAL(ask(first, "off.example", "/free/x"), 200);
            CHECK_EQUAL(ask(first, "off.example", "/staff/x"), 403);
            SslSessionPtr session = first.session();
            for (int i = 0; i < 2; ++i) {
                TlsClient again = hosts.connect(as(*who, tls), "off.example", session.get());
                CHECK_EQUAL(again.resumed(), tls == TLS1_3_VERSION);
                CHECK_EQUAL(ask(again, "off.example", "/free/x"), 200);
                CHECK_EQUAL(ask(again, "off.example", "/staff/x"), 403);
                session = again.session();
            }
        }
        TlsClient first = hosts.connect(as(w.acme, tls), "off.example");
        CHECK_EQUAL(ask(first, "off.example", "/staff/x"), 200);
        const SslSessionPtr session = first.session();
        TlsClient second = hosts.connect(as(w.acme, tls), "off.example", session.get());
        CHECK(second.resumed());
        CHECK_EQUAL(ask(second, "off.example", "/staff/x"), 200);
        CHECK_EQUAL(ask(second, "off.example", "/gate/x"), 200);
    }
}

CLAIM(mod_ssls_crl_settings_count_in_what_its_own_cas_verify) {
    const World& w = world();
    // One CA, certified by mod_ssl's and by a live anchor. Where mod_ssl's has revoked it, only the anchor's path
    // holds.
    const Identity sub = make_ca("Issuing CA", &w.acme_ca);
    EVP_PKEY_up_ref(sub.key.get());
    const Identity again = make_ca("Issuing CA", &w.stranger_ca, mtls::EvpPkeyPtr(sub.key.get()));
    const Identity leaf = make_client("api5", "api.acme.example", sub);
    ClientOptions options;
    options.identity = &leaf;
    options.chain = {&sub, &again};
    for (const bool revoked : {true, false}) {
        Hosts hosts;
        CrlSpec spec;
        if (revoked) spec.revoked = {{&sub, 1}};
        hosts.httpd.write("crls.pem", make_crl(w.acme_ca, spec) + make_crl(w.stranger_ca, {}) + make_crl(sub, {}));
        hosts.start("SSLVerifyClient optional\nSSLCARevocationCheck chain\nSSLCARevocationFile crls.pem\n");
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            options.tls = tls;
            SslSessionPtr session;
            for (const bool resumed : {false, true}) {
                TlsClient client = hosts.connect(options, "on.example", session.get());
                CHECK(client.connected() && client.resumed() == resumed);
                CHECK_EQUAL(ask(client, "on.example", "/free/x"), 200);
                CHECK_EQUAL(ask(client, "off.example", "/free/x"), revoked ? 421 : 200);
                session = client.session();
            }
        }
    }
    // A list that may be missing is no reason.
    Hosts hosts;
    hosts.httpd.write("crls.pem", make_crl(w.globex_ca, {}));
    hosts.httpd.write("stranger.pem", w.acme_ca.cert_pem());
    hosts.start(
        "SSLVerifyClient optional\nSSLCARevocationCheck chain no_crl_for_cert_ok\nSSLCARevocationFile crls.pem\n");
    SslSessionPtr session;
    for (const bool resumed : {false, true}) {
        TlsClient client = hosts.connect(as(w.acme), "on.example", session.get());
        CHECK(client.connected() && client.resumed() == resumed);
        CHECK_EQUAL(ask(client, "off.example", "/free/x"), 200);
        session = client.session();
    }
}
