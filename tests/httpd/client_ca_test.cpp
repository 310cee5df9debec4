// MTLSClientCA: the handshake trusts the live anchors, and tells clients their names.
#include <openssl/pkcs12.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

// A server that knows acme's and globex's CAs, and reads partners from files; MTLSClientCA as `mode` says.
struct CaSite {
    Httpd httpd;
    CaSite() : httpd(httpd_paths()) {
        world().install(httpd);
        httpd.write("partners/readme.conf", "# partners\n");
        httpd.write("stranger.pem", world().stranger_ca.cert_pem());
    }
    void start(const std::string& mode, const std::string& tls = "SSLVerifyClient optional\n",
               const std::string& lines = "") {
        configure(mode, tls, lines);
        httpd.start();
    }
    void configure(const std::string& mode, const std::string& tls = "SSLVerifyClient optional\n",
                   const std::string& lines = "") {
        httpd.set_tls_lines(tls + "MTLSClientCA " + mode + "\n");
        httpd.configure("AliasMatch ^/gate/ \"" + httpd.path("htdocs/ok.html") +
                        "\"\nMTLSPolicyFile partners/*.conf\n<Location /gate>\n MTLSAllow any-partner\n</Location>\n" +
                        World::policy() + lines);
    }
    void put(const std::string& name, const std::string& lines) const {
        httpd.write("partners/.new", "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n");
        fs::rename(httpd.path("partners/.new"), httpd.path("partners/" + name + ".conf"));
    }
    // 0: the handshake was refused.
    int get(const ClientOptions& options) const {
        TlsClient client(httpd.port(), options);
        return client.connected() ? client.get("/gate/x").status : 0;
    }
    std::vector<std::string> announced(int tls = TLS1_3_VERSION, const std::string& name = "localhost") const {
        ClientOptions options = as(world().acme, tls);
        options.server_name = name;
        return TlsClient(httpd.port(), options).announced();
    }
};

const char* const kStranger = "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor stranger.pem";

bool names(const std::vector<std::string>& list, const std::string& cn) {
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& name) { return name.find("CN=" + cn) != std::string::npos; });
}

}  // namespace

CLAIM(a_partner_whose_ca_the_server_has_never_seen_gets_in_and_is_out_again) {
    const World& w = world();
    CaSite site;
    site.start("On");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) CHECK_EQUAL(site.get(as(w.acme_from_stranger, tls)), 0);
    CHECK_EQUAL(site.get(as(w.acme)), 200);
    site.put("stranger", kStranger);
    becomes([&] { return site.get(as(w.acme_from_stranger)); }, 200, "TLS 1.3");
    for (int i = 0; i < 6; ++i)
        becomes([&] { return site.get(as(w.acme_from_stranger, TLS1_2_VERSION)); }, 200, "TLS 1.2");
    Http2Client h2(site.httpd.port(), as(w.acme_from_stranger), site.httpd.root());
    CHECK_EQUAL(h2.get("/gate/h2").status, 200);
    TlsClient open(site.httpd.port(), as(w.acme_from_stranger));
    CHECK_EQUAL(open.get("/gate/open").status, 200);
    // Who is known to mod_ssl is what it was before.
    CHECK_EQUAL(site.get(as(w.acme)), 200);
    CHECK_EQUAL(site.get(as(w.globex, TLS1_2_VERSION)), 200);
    CHECK_EQUAL(site.get(as(w.acme_from_globex)), 403);
    // Sessions for later: a client takes each of TLS 1.3 once.
    std::vector<std::pair<int, SslSessionPtr>> sessions;
    for (int i = 0; i < 8; ++i) {
        const int tls = i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        TlsClient client(site.httpd.port(), as(w.acme_from_stranger, tls));
        CHECK_EQUAL(client.get("/gate/full").status, 200);
        sessions.emplace_back(tls, client.session());
    }
    const auto resume = [&](std::size_t i, int expected) {
        TlsClient client(site.httpd.port(), as(w.acme_from_stranger, sessions[i].first), sessions[i].second.get());
        CHECK(client.resumed());
        CHECK_EQUAL(client.get("/gate/resumed").status, expected);
    };
    resume(0, 200);
    resume(1, 200);
    fs::remove(site.httpd.path("partners/stranger.conf"));
    becomes([&] { return open.get("/gate/open").status; }, 403, "on the open connection");
    becomes([&] { return h2.get("/gate/h2").status; }, 403, "over HTTP/2");
    pause_for(std::chrono::milliseconds(600));
    for (std::size_t i = 2; i < sessions.size(); ++i) resume(i, 403);
    for (int i = 0; i < 6; ++i) becomes([&] { return site.get(as(w.acme_from_stranger)); }, 0, "in every child");
}

CLAIM(without_it_the_handshake_refuses_and_the_start_warns) {
    const World& w = world();
    CaSite site;
    site.put("stranger", kStranger);
    site.start("Off");
    CHECK(site.httpd.wait_for_log(
        "MTLSTrustAnchor stranger.pem of stranger: the virtual host 'localhost' does not know this CA"));
    CHECK_EQUAL(site.get(as(w.acme_from_stranger)), 0);
    CHECK(!names(site.announced(), "Stranger CA"));
}

CLAIM(the_names_of_live_anchors_are_announced_unless_quiet) {
    const World& w = world();
    for (const char* mode : {"On", "Quiet"}) {
        CaSite site;
        site.put("stranger", kStranger);
        site.start(mode);
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            const auto list = site.announced(tls);
            CHECK_EQUAL(names(list, "Stranger CA"), std::string(mode) == "On");
            CHECK(names(list, "Globex CA"));
            // Each name once, whoever brings it.
            CHECK_EQUAL(list.size(), std::string(mode) == "On" ? 3U : 2U);
        }
        CHECK_EQUAL(site.get(as(w.acme_from_stranger)), 200);
        CHECK(site.httpd.error_log().find("does not know this CA") == std::string::npos);
        fs::remove(site.httpd.path("partners/stranger.conf"));
        becomes([&] { return names(site.announced(), "Stranger CA") ? 1 : 0; }, 0, "gone with its partner");
    }
}

CLAIM(a_thousand_anchors_break_no_handshake) {
    const World& w = world();
    CaSite site;
    site.put("stranger", kStranger);
    site.start("On");
    const auto key = make_key();
    std::string pem;
    for (int i = 0; i < 1000; ++i) {
        EVP_PKEY_up_ref(key.get());
        pem +=
            make_ca("A CA with a rather long name, number " + std::to_string(i), nullptr, mtls::EvpPkeyPtr(key.get()))
                .cert_pem();
    }
    const auto nobody_by = [&](int tls) {
        ClientOptions options;
        options.tls = tls;
        return site.get(options);
    };
    CHECK(names(site.announced(), "Stranger CA"));
    site.httpd.write("thousand.pem", pem);
    site.put("thousand", "MTLSIdentity CN:any-of-them\nMTLSTrustAnchor thousand.pem");
    CHECK(site.httpd.wait_for_log("added thousand"));
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        becomes([&] { return static_cast<int>(site.announced(tls).size()); }, 0, "no names where they do not fit");
        CHECK_EQUAL(site.get(as(w.acme_from_stranger, tls)), 200);
        CHECK_EQUAL(site.get(as(w.acme, tls)), 200);
        CHECK_EQUAL(nobody_by(tls), 403);
    }
}

CLAIM(anchors_of_every_kind_count_in_the_handshake) {
    const World& w = world();
    const Identity sub = make_ca("Stranger Sub", &w.stranger_ca);
    const Identity below = make_client("api", "api.acme.example", sub);
    CertSpec self_spec;
    self_spec.subject = {{"CN", "device"}};
    self_spec.san = {{GEN_DNS, "device.example.org"}};
    const Identity device = issue(self_spec, nullptr);
    const Identity other_device = issue(self_spec, nullptr);
    CaSite site;
    site.httpd.write("sub.pem", sub.cert_pem());
    site.httpd.write("device.pem", device.cert_pem());
    site.put("by-sub", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor sub.pem");
    site.put("device", "MTLSIdentity DNS:device.example.org\nMTLSTrustAnchor device.pem");
    site.start("On");
    // An intermediate is an anchor, whether or not the client sends what is above.
    ClientOptions options = as(below);
    CHECK_EQUAL(site.get(options), 200);
    options.chain = {&sub, &w.stranger_ca};
    CHECK_EQUAL(site.get(options), 200);
    CHECK_EQUAL(site.get(as(w.acme_from_stranger)), 0);
    // An end-entity certificate is an anchor for itself alone.
    CHECK_EQUAL(site.get(as(device)), 200);
    CHECK_EQUAL(site.get(as(other_device)), 0);
    CHECK(names(site.announced(), "device"));
    // Expired is expired.
    CertSpec old;
    old.subject = {{"CN", "api"}};
    old.san = {{GEN_DNS, "api.acme.example"}};
    old.not_before = -90000;
    old.not_after = -80000;
    CHECK_EQUAL(site.get(as(issue(old, &sub))), 0);
}

CLAIM(mod_ssls_own_settings_count_for_live_anchors_too) {
    const World& w = world();
    const Identity sub = make_ca("Sub One", &w.stranger_ca), subsub = make_ca("Sub Two", &sub);
    const Identity deep = make_client("api", "api.acme.example", subsub);
    ClientOptions options = as(deep);
    options.chain = {&subsub, &sub};
    for (const char* depth : {"1", "3"}) {
        CaSite site;
        site.put("stranger", kStranger);
        site.start("On", std::string("SSLVerifyClient optional\nSSLVerifyDepth ") + depth + "\n");
        CHECK_EQUAL(site.get(options), std::string(depth) == "3" ? 200 : 0);
        CHECK_EQUAL(site.get(as(w.acme_from_stranger)), 200);
    }
    // Its revocation check asks for a list of every CA.
    CaSite site;
    site.put("stranger", kStranger);
    site.httpd.write("crls.pem", make_crl(w.acme_ca, {}));
    site.start("On", "SSLVerifyClient optional\nSSLCARevocationCheck leaf\nSSLCARevocationFile crls.pem\n");
    CHECK_EQUAL(site.get(as(w.acme)), 200);
    CHECK_EQUAL(site.get(as(w.acme_from_stranger)), 0);
    CHECK_EQUAL(site.get(as(w.globex)), 0);
    CaSite with;
    with.put("stranger", kStranger);
    CrlSpec spec;
    const Identity revoked = make_client("api", "api.acme.example", w.stranger_ca);
    spec.revoked = {{&revoked, 1}};
    with.httpd.write("crls.pem", make_crl(w.acme_ca, {}) + make_crl(w.stranger_ca, spec));
    with.start("On", "SSLVerifyClient optional\nSSLCARevocationCheck leaf\nSSLCARevocationFile crls.pem\n");
    CHECK_EQUAL(with.get(as(w.acme_from_stranger)), 200);
    CHECK_EQUAL(with.get(as(revoked)), 0);
}

CLAIM(a_handshake_that_its_ocsp_check_refuses_says_so) {
    CaSite site;
    const std::string ocsp =
        "SSLVerifyClient optional\nSSLOCSPDefaultResponder http://127.0.0.1:1/\nSSLOCSPOverrideResponder on\n";
    site.start("On", ocsp + "SSLOCSPEnable leaf\n");
    CHECK_EQUAL(site.get(as(world().acme)), 0);
    const std::string log = site.httpd.error_log();
    CHECK_CONTAINS(log, "refused handshake: reason=other detail=\"mod_ssl's OCSP check refused it\" claimed=acme");
    CHECK_CONTAINS(log, "SSLOCSPResponderCertificateFile");
    CaSite off;
    off.start("On", ocsp + "SSLOCSPEnable off\n");
    CHECK_EQUAL(off.get(as(world().acme)), 200);
}

CLAIM(a_handshake_that_a_crl_of_mod_ssl_refuses_says_what_is_wrong_with_it) {
    const World& w = world();
    CrlSpec expired, future, listed;
    expired.next_update = -60;
    future.this_update = 3600;
    listed.revoked = {{&w.acme, 1}};
    const std::string refused = "refused handshake: reason=", none = make_crl(w.globex_ca, {});
    for (const std::string mode : {"On", "Off"}) {
        for (const std::string verify : {"optional", "require"}) {
            for (const auto& [crls, said] :
                 {std::pair(make_crl(w.acme_ca, expired), "crl-unavailable detail=\"CRL has expired\" claimed=acme"),
                  std::pair(make_crl(w.acme_ca, future),
                            "crl-unavailable detail=\"CRL is not yet valid\" claimed=acme"),
                  std::pair(none, "crl-unavailable detail=\"unable to get certificate CRL\" claimed=acme"),
                  std::pair(make_crl(w.acme_ca, listed), "revoked detail=\"certificate revoked\" claimed=acme")}) {
                CaSite site;
                site.httpd.write("crls.pem", crls);
                site.start(mode,
                           "SSLVerifyClient " + verify + "\nSSLCARevocationCheck leaf\nSSLCARevocationFile crls.pem\n");
                CHECK_EQUAL(site.get(as(w.acme)), 0);
                const std::string log = site.httpd.error_log();
                CHECK_CONTAINS(log, refused + said);
                CHECK(log.find("OCSP check") == std::string::npos);
                if (std::string(said).starts_with("crl"))
                    CHECK_CONTAINS(log, "put the current one into SSLCARevocationFile or SSLCARevocationPath");
            }
        }
    }
}

CLAIM(each_virtual_host_that_sni_picks_has_its_own_setting) {
    const World& w = world();
    CaSite site;
    site.put("stranger", kStranger);
    const auto vhost = [&](const std::string& name, const std::string& mode) {
        return "<VirtualHost 127.0.0.1:" + std::to_string(site.httpd.port()) + ">\nServerName " + name +
               "\nSSLEngine on\nSSLCertificateFile server.pem\nSSLCertificateKeyFile server.pem\n"
               "SSLCACertificateFile globex.pem\nSSLVerifyClient optional\nMTLSClientCA " +
               mode + "\n</VirtualHost>\n";
    };
    // The one of the test's own configuration comes after these: it is not the default any more.
    site.start("Off", "SSLVerifyClient optional\n", vhost("first.example", "On") + vhost("quiet.example", "Quiet"));
    const auto get = [&](const std::string& name) {
        ClientOptions options = as(w.acme_from_stranger);
        options.server_name = name;
        return site.get(options);
    };
    CHECK_EQUAL(get("first.example"), 200);
    CHECK_EQUAL(get("quiet.example"), 200);
    CHECK_EQUAL(get("localhost"), 0);
    CHECK(names(site.announced(TLS1_3_VERSION, "first.example"), "Stranger CA"));
    CHECK(!names(site.announced(TLS1_3_VERSION, "quiet.example"), "Stranger CA"));
    CHECK(!names(site.announced(TLS1_3_VERSION, "localhost"), "Stranger CA"));
}

CLAIM(a_virtual_host_inherits_the_servers_setting_unless_it_has_its_own) {
    const World& w = world();
    for (const char* own : {"", "MTLSClientCA Off\n"}) {
        CaSite site;
        site.put("stranger", kStranger);
        site.httpd.set_tls_lines(std::string("SSLVerifyClient optional\n") + own);
        site.httpd.configure("AliasMatch ^/gate/ \"" + site.httpd.path("htdocs/ok.html") +
                             "\"\nMTLSClientCA On\nMTLSPolicyFile partners/*.conf\n<Location /gate>\n"
                             " MTLSAllow any-partner\n</Location>\n");
        site.httpd.start();
        CHECK_EQUAL(site.get(as(w.acme_from_stranger)), *own == '\0' ? 200 : 0);
    }
}

CLAIM(certificates_asked_for_per_location_are_verified_by_live_anchors) {
    const World& w = world();
    CaSite site;
    site.put("stranger", kStranger);
    site.start("On", "SSLVerifyClient none\n<Location /gate>\nSSLVerifyClient optional\n</Location>\n");
    ClientOptions options = as(w.acme_from_stranger);
    options.post_handshake_auth = true;
    CHECK_EQUAL(site.get(options), 200);
    CHECK_EQUAL(site.get(as(w.acme_from_stranger, TLS1_2_VERSION)), 200);
    ClientOptions unknown = as(w.acme_from_lookalike);
    unknown.post_handshake_auth = true;
    CHECK_EQUAL(site.get(unknown), 403);
}

CLAIM(later_handshakes_of_a_connection_announce_the_live_anchors_too) {
    const World& w = world();
    CaSite site;
    site.put("stranger", kStranger);
    site.start("On", "SSLVerifyClient none\n<Location /gate>\nSSLVerifyClient optional\n</Location>\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        // Lists go from one connection to the next; two are in a handshake at once.
        for (int i = 0; i < 5; ++i) {
            ClientOptions options = as(w.acme_from_stranger, tls);
            options.post_handshake_auth = true;
            TlsClient one(site.httpd.port(), options), other(site.httpd.port(), options);
            CHECK(one.announced().empty());  // not asked yet
            for (TlsClient* client : {&one, &other}) {
                CHECK_EQUAL(client->get("/gate/x").status, 200);
                CHECK_EQUAL(client->announced().size(), 3U);
                CHECK(names(client->announced(), "Stranger CA"));
                CHECK(names(client->announced(), "Globex CA"));
            }
        }
    }
}

CLAIM(rules_beside_the_module_that_would_believe_live_anchors_are_warned_of) {
    CaSite site;
    site.configure("On",
                   "SSLVerifyClient optional\nSSLUserName SSL_CLIENT_S_DN_CN\n<Location /old>\n"
                   "Require expr %{SSL_CLIENT_S_DN_CN} == 'x'\n</Location>\n"
                   "<Location /older>\nRequire ssl-verify-client\n</Location>\n"
                   "<Location /app>\nMTLSForward cert=pem:SSL_CLIENT_CERT\n</Location>\n"
                   "RequestHeader unset SSL_CLIENT_VERIFY\n"
                   "CustomLog logs/access.log \"%{SSL_CLIENT_S_DN}x\"\n");
    auto out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 0);
    for (const char* what : {"SSLUserName looks at", "Require looks at"}) CHECK_CONTAINS(out.text, what);
    for (const char* what : {"CustomLog looks at", "MTLSForward looks at", "RequestHeader looks at"})
        CHECK(out.text.find(what) == std::string::npos);
    site.configure("Off", "SSLVerifyClient optional\nSSLUserName SSL_CLIENT_S_DN_CN\n");
    CHECK(site.httpd.run({"-t"}).text.find("looks at") == std::string::npos);
    site.configure("Loud");
    out = site.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "MTLSClientCA: 'Loud': expected On, Quiet or Off");
}

CLAIM(a_java_client_sends_its_certificate_where_its_ca_is_announced) {
    const World& w = world();
    for (const char* mode : {"On", "Quiet"}) {
        CaSite site;
        site.put("stranger", kStranger);
        site.start(mode);
        const std::unique_ptr<PKCS12, mtls::FreeWith<PKCS12_free>> store(
            PKCS12_create("secret", "client", w.acme_from_stranger.key.get(), w.acme_from_stranger.cert.get(), nullptr,
                          0, 0, 0, 0, 0));
        unsigned char* der = nullptr;
        const int n = i2d_PKCS12(store.get(), &der);
        site.httpd.write("client.p12", {reinterpret_cast<char*>(der), static_cast<std::size_t>(n)});
        OPENSSL_free(der);
        for (const char* protocol : {"TLSv1.2", "TLSv1.3"}) {
            const auto out = run_command({"java", "tests/httpd/client.java",
                                          "https://127.0.0.1:" + std::to_string(site.httpd.port()) + "/gate/java",
                                          site.httpd.path("client.p12"), "secret", protocol},
                                         "");
            CHECK_CONTAINS(out.text, std::string("status ") + (std::string(mode) == "On" ? "200" : "403"));
        }
    }
}
