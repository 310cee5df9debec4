// Gates: who passes which section, how sections merge, and what the application is told.
#include <tuple>

#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

// Shows the variables that a handler would see: SSI needs no program.
constexpr const char* kShow = R"(
<Location /show>
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
)";

void add_show_page(Httpd& httpd) {
    httpd.write("htdocs/show/vars.html",
                "decision=<!--#echo var=\"MTLS_DECISION\" --> reason=<!--#echo var=\"MTLS_REASON\" --> "
                "partner=<!--#echo var=\"MTLS_PARTNER\" --> tenant=<!--#echo var=\"MTLS_ATTR_tenant\" --> "
                "cn=<!--#echo var=\"MTLS_ATTR_common_name\" --> user=<!--#echo var=\"REMOTE_USER\" --> "
                "groups=<!--#echo var=\"MTLS_GROUPS\" --> sha=<!--#echo var=\"MTLS_CERT_SHA256\" --> "
                "identity=<!--#echo var=\"MTLS_IDENTITY\" --> generation=<!--#echo var=\"MTLS_GENERATION\" -->\n");
}

}  // namespace

CLAIM(a_gate_counts_in_an_ifmodule_by_either_name_of_the_module) {
    Site site;
    site.start("<IfModule mod_mtls_authz.c>\n" + location("/c", "MTLSAllow partner acme") +
               "LogLevel mod_mtls_authz.c:info\n</IfModule>\n<IfModule mtls_authz_module>\n" +
               location("/symbol", "MTLSAllow partner acme") + "</IfModule>\n");
    for (const char* path : {"/c", "/symbol"}) {
        CHECK_EQUAL(site.get(&world().globex, path).status, 403);
        CHECK(site.get(&world().acme, path).status != 403);
    }
}

CLAIM(allow_and_deny_decide_by_partner_group_and_method) {
    const World& w = world();
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.start(R"(
<Location /gate/any>
    MTLSAllow any-partner
</Location>
<Location /gate/none>
    MTLSAllow none
</Location>
<Location /gate/group>
    MTLSAllow group suppliers
</Location>
<Location /gate/read>
    MTLSAllow partner acme methods=read
    MTLSAllow partner globex methods=GET,POST
</Location>
<Location /gate/not-acme>
    MTLSAllow any-partner
    MTLSDeny partner acme
</Location>
<Location /gate/no-posts>
    MTLSAllow any-partner
    MTLSDeny group suppliers methods=POST
</Location>
<Location /gate/on>
    MTLSAuthz On
</Location>
<Location /gate/deny-only>
    MTLSDeny partner acme
</Location>
)");
    struct Row {
        const Identity* who;
        const char* method;
        const char* path;
        const char* reason;
    };
    const Row rows[] = {
        {&w.acme, "GET", "/gate/any/1", "granted"},
        {&w.globex, "GET", "/gate/any/2", "granted"},
        {&w.unnamed, "GET", "/gate/any/3", "unknown-partner"},
        {&w.acme, "GET", "/gate/none/1", "not-allowed"},
        {&w.acme, "GET", "/gate/group/1", "granted"},
        {&w.globex, "GET", "/gate/group/2", "not-allowed"},
        {&w.acme, "GET", "/gate/read/1", "granted"},
        {&w.acme, "HEAD", "/gate/read/2", "granted"},
        {&w.acme, "POST", "/gate/read/3", "method-not-granted"},
        {&w.acme, "BREW", "/gate/read/4", "method-not-granted"},
        {&w.globex, "POST", "/gate/read/5", "granted"},
        {&w.globex, "HEAD", "/gate/read/6", "granted"},
        {&w.globex, "DELETE", "/gate/read/7", "method-not-granted"},
        {&w.acme, "GET", "/gate/not-acme/1", "not-allowed"},
        {&w.globex, "GET", "/gate/not-acme/2", "granted"},
        {&w.acme, "POST", "/gate/no-posts/1", "not-allowed"},
        {&w.acme, "GET", "/gate/no-posts/2", "granted"},
        {&w.acme, "GET", "/gate/on/1", "not-allowed"},
        {&w.globex, "GET", "/gate/deny-only/1", "not-allowed"},
    };
    for (const Row& row : rows) {
        const Response response = site.get(row.who, row.path, "", row.method);
        CHECK_EQUAL(site.reason_for(row.path), row.reason);
        test::check((response.status == 403) == (std::string(row.reason) != "granted"), row.path, __FILE__, __LINE__);
    }
}

CLAIM(a_denial_names_the_line_to_change) {
    const World& w = world();
    Site site;
    site.start(location("/gate", "MTLSAllow partner acme") +
               location("/gate/deny", "MTLSAllow any-partner\nMTLSDeny partner globex") +
               location("/gate/grant", "MTLSAllow by-grant") +
               location("/gate/mixed", "MTLSAllow partner acme\nMTLSAllow by-grant"));
    const std::tuple<const char*, const char*, const char*> rows[] = {
        {"/gate/x", "", "add it with MTLSAllow"},
        {"/gate/deny/x", "MTLSDeny", "the MTLSDeny at gate= denies it; take it out there"},
        {"/gate/grant/x", "by-grant", "none of its grants fits this path; add an MTLSGrant"},
        {"/gate/mixed/x", "by-grant", "none of its grants fits this path; add an MTLSGrant"},
    };
    for (const auto& [path, detail, advice] : rows) {
        CHECK_EQUAL(site.get(&w.globex, path).status, 403);
        const std::string line = site.log_about(path), said = std::string(" detail=\"") + detail + "\" ";
        CHECK_EQUAL(line.find(said) != std::string::npos, *detail != '\0');
        CHECK_CONTAINS(line, advice);
    }
    CHECK_EQUAL(site.get(&w.acme, "/gate/mixed/y").status, 200);
}

// The second request of a connection finds the grant of the first again: as long as nothing that counts is different.
CLAIM(a_grant_found_again_is_found_only_by_the_same_request) {
    const World& w = world();
    Site site;
    site.tls("SSLVerifyClient optional\nSSLOptions +StdEnvVars");
    site.start(R"(
<Location /gate>
    MTLSAllow partner acme methods=GET
    MTLSAllow partner globex
    Header set X-Told "%{MTLS_PARTNER}e %{MTLS_GROUPS}e"
</Location>
<Location /gate/all>
    MTLSEnv All
</Location>
<Location /gate/globex>
    MTLSAllow partner globex
</Location>
<Location /gate/denied>
    MTLSDeny partner acme
</Location>
<LocationMatch "^/free/(?<PARTNER>[^/]+)/">
    MTLSAllow partner %{env:MATCH_PARTNER}
</LocationMatch>
)");
    ClientOptions options;
    options.identity = &w.acme;
    TlsClient client(site.httpd.port(), options);
    const auto told = [&client](const std::string& path) {
        const Response response = client.get(path);
        CHECK_EQUAL(response.status, 200);
        return response.headers;
    };
    constexpr int kMoreThanAreKept = 40;
    for (int round = 0; round < kMoreThanAreKept; ++round) {
        for (int i = 0; i < 2; ++i) CHECK_CONTAINS(told("/gate/x"), "X-Told: acme (null)");
        for (int i = 0; i < 2; ++i) CHECK_CONTAINS(told("/gate/all/x"), "X-Told: acme suppliers");
        CHECK_EQUAL(client.get("/gate/x", "", "HEAD").status, 200);
        CHECK_EQUAL(client.get("/gate/x", "", "POST").status, 403);
        CHECK_EQUAL(client.get("/gate/x", "", "BREW").status, 403);
        CHECK_EQUAL(client.get("/gate/globex/x").status, 403);
        CHECK_EQUAL(client.get("/gate/denied/x").status, 403);
        CHECK_EQUAL(client.get("/gate/..;/x").status, 403);
        CHECK_EQUAL(client.get("/free/acme/x").status, 200);
        CHECK_EQUAL(client.get("/free/globex/x").status, 403);
    }
}

CLAIM(sections_merge_as_documented) {
    // Rows: what the outer section says, what the inner one says; whether acme and globex pass the inner one.
    struct Row {
        const char* outer;
        const char* inner;
        bool acme;
        bool globex;
        bool anonymous;
    };
    const Row rows[] = {
        {"MTLSAllow partner acme", "", true, false, false},
        {"MTLSAllow partner acme", "MTLSAllow partner globex", false, true, false},
        {"MTLSAllow partner acme", "MTLSAuthz On", true, false, false},
        {"MTLSAllow partner acme", "MTLSAuthz Off", true, true, true},
        {"MTLSAllow partner acme", "MTLSAuthz LogOnly", true, true, true},
        {"MTLSAllow partner acme", "MTLSAllow none", false, false, false},
        {"MTLSAllow any-partner\nMTLSDeny partner acme", "MTLSAllow partner acme", false, false, false},
        {"MTLSAllow any-partner\nMTLSDeny partner acme", "MTLSDeny partner globex", false, false, false},
        {"MTLSAllow any-partner\nMTLSDeny partner acme", "MTLSAuthz Off", true, true, true},
        {"MTLSAllow any-partner\nMTLSDeny partner acme", "MTLSAuthz On", false, true, false},
        {"MTLSAuthz Off", "", true, true, true},
        {"MTLSAuthz Off", "MTLSAllow partner acme", true, false, false},
        {"MTLSAuthz Off\nMTLSAllow partner acme", "MTLSAuthz On", true, false, false},
        {"MTLSAuthz LogOnly\nMTLSAllow partner acme", "", true, true, true},
        {"MTLSAuthz LogOnly\nMTLSAllow partner acme", "MTLSAllow partner globex", false, true, false},
        {"MTLSAuthz LogOnly\nMTLSAllow partner acme", "MTLSDeny partner globex", true, false, false},
        {"MTLSAuthz On", "MTLSAllow partner acme", true, false, false},
        {"", "MTLSAllow partner acme", true, false, false},
        {"", "", true, true, true},
    };
    std::string lines;
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        const std::string path = "/gate/m" + std::to_string(i);
        lines += "<Location " + path + "/>\n" + rows[i].outer + "\n</Location>\n<Location " + path + "/in/>\n" +
                 rows[i].inner + "\n</Location>\n";
    }
    Site site;
    site.start(lines);
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        const std::string path = "/gate/m" + std::to_string(i) + "/in/x";
        const std::string what = std::string(rows[i].outer) + " > " + rows[i].inner;
        test::check_equal(site.get(&world().acme, path).status, rows[i].acme ? 200 : 403, what, __FILE__, __LINE__);
        test::check_equal(site.get(&world().globex, path).status, rows[i].globex ? 200 : 403, what, __FILE__, __LINE__);
        test::check_equal(site.get(nullptr, path).status, rows[i].anonymous ? 200 : 403, what, __FILE__, __LINE__);
    }
}

CLAIM(directories_merge_from_short_to_long_and_locations_come_after) {
    Site site;
    site.httpd.write("htdocs/a/b/page.html", "deep");
    site.httpd.write("htdocs/a/page.html", "shallow");
    // Written in the wrong order on purpose: for directories, httpd sorts them.
    site.start(R"(
<Directory ")" +
               site.httpd.path("htdocs/a/b") + R"(">
    MTLSAllow partner globex
</Directory>
<Directory ")" +
               site.httpd.path("htdocs/a") + R"(">
    MTLSAllow partner acme
</Directory>
<Location /a/b/open>
    MTLSAuthz Off
</Location>
)");
    CHECK_EQUAL(site.get(nullptr, "/a/b/open.html").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/a/b/open/page.html").status, 404);
    CHECK_EQUAL(site.get(&world().acme, "/a/page.html").status, 200);
    CHECK_EQUAL(site.get(&world().globex, "/a/page.html").status, 403);
    CHECK_EQUAL(site.get(&world().acme, "/a/b/page.html").status, 403);
    CHECK_EQUAL(site.get(&world().globex, "/a/b/page.html").status, 200);
}

CLAIM(a_virtual_host_overrides_the_main_servers_gate_and_uses_its_own_cas) {
    const World& w = world();
    Site site;
    site.httpd.write("globex-only.pem", w.globex_ca.cert_pem());
    site.tls("SSLVerifyClient optional_no_ca");
    site.vhost("<Location /gate/v>\n MTLSAllow partner globex\n</Location>");
    const std::string port = std::to_string(site.httpd.next_port());
    site.start("Listen 127.0.0.1:" + port + R"(
<MTLSPartner by-server>
    MTLSIdentity CN:nobody
    MTLSTrustAnchor mod_ssl
</MTLSPartner>
<MTLSPartner stranger>
    MTLSIdentity CN:api5
    MTLSTrustAnchor mod_ssl
</MTLSPartner>
<Location /gate>
    MTLSAllow partner acme by-server stranger
</Location>
<VirtualHost 127.0.0.1:)" +
               port + R"(>
    ServerName other.example
    SSLEngine on
    SSLCertificateFile server.pem
    SSLCertificateKeyFile server.pem
    SSLCACertificateFile stranger.pem
    SSLVerifyClient optional_no_ca
</VirtualHost>
)" + (site.httpd.write("stranger.pem", w.stranger_ca.cert_pem()), ""));
    CHECK_EQUAL(site.get(&w.acme, "/gate/v/1").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/v/2").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/w/1").status, 200);
    // A CA of the policy never speaks for a partner whose anchor is mod_ssl, though mod_ssl trusts it.
    CHECK_EQUAL(site.get(&w.unnamed, "/gate/w/2").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/w/2"), "wrong-issuer");
    // The other virtual host's CAs bring nothing here.
    CHECK_EQUAL(site.get(&w.acme_from_stranger, "/gate/w/3").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/w/3"), "not-verified");
    ClientOptions options;
    options.identity = &w.acme_from_stranger;
    TlsClient other(site.httpd.next_port(), options);
    CHECK_EQUAL(other.get("/gate/w/4").status, 200);
}

CLAIM(a_partners_sub_ca_cannot_speak_for_the_roots_other_partners) {
    const World& w = world();
    Site site;
    site.httpd.write("sub.pem", w.acme_sub.cert_pem());
    site.tls("SSLVerifyClient optional_no_ca");
    site.start(R"(
<MTLSPartner subsidiary>
    MTLSIdentity any
    MTLSTrustAnchor sub.pem
</MTLSPartner>
<Location /gate/acme>
    MTLSAllow partner acme
</Location>
<Location /gate/subsidiary>
    MTLSAllow partner subsidiary
</Location>
)");
    ClientOptions options;
    options.identity = &w.acme_by_sub;  // acme's name, issued by the sub-CA
    options.chain = {&w.acme_sub};
    TlsClient client(site.httpd.port(), options);
    CHECK_EQUAL(client.get("/gate/acme/1").status, 403);
    CHECK_EQUAL(client.get("/gate/subsidiary/1").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/acme/2").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/subsidiary/2").status, 403);
}

CLAIM(variables_reach_the_application_only_with_a_grant) {
    const World& w = world();
    Site site;
    add_show_page(site.httpd);
    site.load("include").start(std::string(kShow) + R"(
SetEnvIf Host . MTLS_PARTNER=forged MTLS_ATTR_tenant=forged
<Location /show>
    MTLSAllow partner acme
    MTLSAuthz LogOnly
    MTLSEnv All
    MTLSRemoteUser On
</Location>
)");
    const Response granted = site.get(&w.acme, "/show/vars.html");
    CHECK_EQUAL(granted.status, 200);
    CHECK_CONTAINS(granted.body,
                   "decision=allow reason=(none) partner=acme tenant=4711 cn=api user=acme groups=suppliers");
    CHECK_CONTAINS(granted.body, "sha=" + hex_sha256(w.acme));
    CHECK_CONTAINS(granted.body, "identity=DNS:api.acme.example");
    const Response denied = site.get(&w.globex, "/show/vars.html");
    CHECK_EQUAL(denied.status, 200);
    CHECK_CONTAINS(denied.body,
                   "decision=would-deny reason=not-allowed partner=(none) tenant=(none) cn=(none) user=(none)");
    CHECK(site.httpd.wait_for_log("would-deny GET \"/show/vars.html\": reason=not-allowed"));
}

CLAIM(a_capture_in_a_location_match_makes_one_gate_for_all_partners) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/free/.htaccess", "SetEnvIf X-Partner (.+) MATCH_PARTNER=$1\n");
    site.httpd.write("htdocs/partners/.htaccess", "SetEnvIf X-Partner (.+) MATCH_PARTNER=$1\n");
    for (const char* name : {"acme", "globex"})
        site.httpd.write(std::string("htdocs/partners/") + name + "/a.html", name);
    site.start(R"(
<LocationMatch "^/partners/(?<PARTNER>[^/]+)/">
    MTLSAllow partner %{env:MATCH_PARTNER}
</LocationMatch>
)");
    CHECK_EQUAL(site.get(&w.acme, "/partners/acme/a.html").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/partners/globex/a.html").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/partners/globex/a.html").status, 200);
    // .htaccess comes too late to say whom the path names.
    CHECK_EQUAL(site.get(&w.acme, "/partners/globex/a.html", "X-Partner: acme\r\n").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/partners/acme/a.html", "X-Partner: globex\r\n").status, 200);
}

CLAIM(sections_of_every_kind_hold_gates) {
    const World& w = world();
    Site site;
    for (const char* file : {"k/plain.html", "k/secret.txt", "k/if.html", "vh/a.html", "perdir/x.html"})
        site.httpd.write(std::string("htdocs/") + file, "x");
    site.httpd.write("identity.conf", "MTLSIdentity CN:included\n");
    site.load("proxy").load("proxy_http").vhost("<Location /vh>\n MTLSAllow partner globex\n</Location>");
    const std::string port = std::to_string(site.httpd.next_port());
    site.start(
        "<MTLSPartner late>\n<IfModule ssl_module>\nMTLSIdentity CN:nobody\n</IfModule>\n<IfModule "
        "!ssl_module>\nMTLSIdentity any\n</IfModule>\n"
        "Include identity.conf\nMTLSTrustAnchor acme.pem\n</MTLSPartner>\n<Directory \"" +
        site.httpd.path("htdocs/k") +
        "\">\n<Files \"*.txt\">\nMTLSAllow partner acme\n</Files>\n<If \"%{QUERY_STRING} == 'gated'\">\nMTLSAllow "
        "partner acme\n</If>\n</Directory>\n"
        "<DirectoryMatch \"/perdir/\">\nMTLSAllow partner late\n</DirectoryMatch>\n"
        "<Proxy \"http://127.0.0.1:" +
        port + "/\">\nMTLSAllow partner acme\n</Proxy>\nProxyPass /proxied http://127.0.0.1:" + port +
        "/\n"
        "Listen 127.0.0.1:" +
        port + "\n<VirtualHost 127.0.0.1:" + port + ">\nServerName backend\n</VirtualHost>\n");
    CHECK_EQUAL(site.get(&w.globex, "/k/plain.html").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/k/secret.txt").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/k/secret.txt").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/k/if.html").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/k/if.html?gated").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/k/if.html?gated").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/vh/a.html").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/vh/a.html").status, 200);
    CHECK_EQUAL(site.get(&w.unnamed, "/perdir/x.html").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/perdir/x.html").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/proxied/ok.html").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/proxied/ok.html").body, "welcome");
}
