// Grants in a real httpd: one gate in httpd.conf, and who may do what below it in the policy.
#include <cstdlib>

#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

// Acme and globex with grants of their own, in a policy file beside those of the world.
std::string grants(const std::string& acme, const std::string& globex = "", const std::string& all = "") {
    return "<MTLSPartner g-acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor acme.pem\n" + acme +
           "\n</MTLSPartner>\n<MTLSPartner g-globex>\nMTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor "
           "globex.pem\n" +
           globex + "\n</MTLSPartner>\n" + all + "\n";
}

struct GrantSite {
    Httpd httpd;
    GrantSite() : httpd(httpd_paths()) { world().install(httpd); }
    void start(const std::string& policy, const std::string& lines) {
        httpd.write("grants.conf", policy);
        httpd.configure("AliasMatch ^/(api|req)/ \"" + httpd.path("htdocs/ok.html") +
                        "\"\nMTLSPolicyFile grants.conf\n<Location /api>\n MTLSAllow by-grant\n</Location>\n"
                        "<Location /req>\n Require mtls-grant\n</Location>\n" +
                        lines);
        httpd.start();
    }
    int get(const Identity& who, const std::string& path, const std::string& method = "GET",
            const std::string& headers = "") const {
        return TlsClient(httpd.port(), as(who)).get(path, headers, method).status;
    }
};

}  // namespace

CLAIM(one_gate_serves_all_partners_by_their_grants) {
    const World& w = world();
    GrantSite site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.start(
        grants("MTLSGrant read /api/orders/** /req/orders/**\nMTLSGrant POST /api/orders/ /req/orders/",
               "MTLSGrant GET /api/invoices/*", "MTLSGrant * /api/partners/%{partner}/** /req/partners/%{partner}/**"),
        "");
    for (const std::string root : {"/api", "/req"}) {
        CHECK_EQUAL(site.get(w.acme, root + "/orders/17"), 200);
        CHECK_EQUAL(site.get(w.acme, root + "/orders/17", "HEAD"), 200);
        CHECK_EQUAL(site.get(w.acme, root + "/orders/17", "POST"), 403);
        CHECK_EQUAL(site.get(w.acme, root + "/orders"), 403);
        CHECK_EQUAL(site.get(w.globex, root + "/orders/17"), 403);
        CHECK_EQUAL(site.get(w.acme, root + "/partners/g-acme/x"), 200);
        CHECK_EQUAL(site.get(w.acme, root + "/partners/g-globex/x"), 403);
        CHECK_EQUAL(site.get(w.globex, root + "/partners/g-globex/x"), 200);
        CHECK_EQUAL(site.get(w.unnamed, root + "/orders/17"), 403);
    }
    CHECK_EQUAL(site.get(w.globex, "/api/invoices/4"), 200);
    CHECK_EQUAL(site.get(w.globex, "/api/invoices/4/5"), 403);
    CHECK_EQUAL(site.get(w.acme, "/api/invoices/4"), 403);
    // The log says which grant, and what is missing.
    const std::string file = site.httpd.path("grants.conf");
    CHECK(site.httpd.wait_for_log("granted GET \"/api/orders/17\":"));
    const std::string log = site.httpd.error_log();
    CHECK_CONTAINS(log, "reason=granted partner=g-acme rule=grants.conf:2 grant=grants.conf:4 gate=httpd.conf:");
    CHECK_CONTAINS(log,
                   "denied POST \"/api/orders/17\": reason=method-not-granted claimed=g-acme rule=grants.conf:2 "
                   "grant=grants.conf:4");
    CHECK_CONTAINS(log, "denied GET \"/api/orders\": reason=not-allowed detail=\"by-grant\" claimed=g-acme");
}

CLAIM(each_device_of_one_ca_writes_into_its_own_folder_alone) {
    const World& w = world();
    const auto device = [&w](const std::vector<Attr>& subject) {
        CertSpec spec;
        spec.subject = subject;
        return issue(spec, &w.acme_ca);
    };
    const Identity first = device({{"CN", "17"}}), second = device({{"CN", "18"}}), up = device({{"CN", ".."}}),
                   two = device({{"CN", "17"}, {"CN", "18"}}), deep = device({{"CN", "17/x"}}),
                   encoded = device({{"CN", "17%2Fx"}});
    GrantSite site;
    site.httpd.set_vhost_lines("AllowEncodedSlashes NoDecode\n");
    site.start(
        "<MTLSPartner devices>\nMTLSIdentity any\nMTLSTrustAnchor acme.pem\n"
        "MTLSGrant read /api/devices/%{cert:CN}/** /req/devices/%{cert:CN}/**\n</MTLSPartner>\n",
        "");
    for (const std::string root : {"/api", "/req"}) {
        TlsClient one(site.httpd.port(), as(first)), other(site.httpd.port(), as(second));
        for (int i = 0; i < 3; ++i) {
            CHECK_EQUAL(one.get(root + "/devices/17/x").status, 200);
            CHECK_EQUAL(one.get(root + "/devices/18/x").status, 403);
            CHECK_EQUAL(other.get(root + "/devices/18/x").status, 200);
            CHECK_EQUAL(other.get(root + "/devices/17/x").status, 403);
            CHECK_EQUAL(one.get(root + "/devices/17/../18/x").status, 403);
            CHECK_EQUAL(one.get(root + "/devices/17%2Fx/y").status, 403);
            CHECK_EQUAL(one.get(root + "/devices/%25%7Bcert:CN%7D/x").status, 403);
        }
        for (const Identity* odd : {&up, &two, &deep, &encoded}) {
            for (const char* path :
                 {"/devices/17/x", "/devices/18/x", "/devices/../x", "/devices/%2e%2e/x", "/devices/17/x/y",
                  "/devices/17%2Fx/y", "/devices/17%252Fx/y", "/devices//x", "/devices/x"}) {
                const int status = site.get(*odd, root + path);
                test::check(status == 403 || status == 404, path, __FILE__, __LINE__);
            }
        }
    }
    Http2Client h2(site.httpd.port(), as(first), site.httpd.root());
    CHECK_EQUAL(h2.get("/api/devices/17/x").status, 200);
    CHECK_EQUAL(h2.get("/api/devices/18/x").status, 403);
}

CLAIM(odd_spellings_of_a_path_do_not_widen_a_grant) {
    const World& w = world();
    GrantSite site;
    site.httpd.load("rewrite");
    site.httpd.set_vhost_lines(
        "RewriteEngine On\nRewriteRule ^/short/(.*) /api/$1 [PT]\nAllowEncodedSlashes NoDecode\n");
    site.start(grants("MTLSGrant read /api/own/** /api/one/*"), "");
    for (const char* path : {"/api/own/x", "/api/one/x", "/api//own/x", "/api/./own/x", "/api/other/../own/x",
                             "/api/%6fwn/x", "/api/own/a;b=c", "/short/own/x"}) {
        test::check_equal(site.get(w.acme, path), 200, path, __FILE__, __LINE__);
    }
    for (const char* path : {"/api/own", "/api/own/../other/x", "/api/own/%2e%2e/other/x", "/api/own/..%2Fother/x",
                             "/api/own/..;/other/x", "/api/own;x/y", "/api/OWN/x", "/api/one/x/y", "/api/one/x%2Fy",
                             "/api/one/x%2fy", "/api/one/x%5Cy", "/api/one/x\\y", "/api/one/x%252Fy", "/api/one/",
                             "/api/one/;x", "/api/one//", "/api/other/x", "/short/other/x", "/short/own/..%2Fother"}) {
        const int status = site.get(w.acme, path);
        test::check(status == 403 || status == 404 || status == 400, std::string(path) + " " + std::to_string(status),
                    __FILE__, __LINE__);
    }
}

CLAIM(grants_follow_the_policy_on_open_connections) {
    const World& w = world();
    GrantSite site;
    site.start(grants("MTLSGrant read /api/a"), "");
    TlsClient acme(site.httpd.port(), as(w.acme));
    Http2Client h2(site.httpd.port(), as(w.acme), site.httpd.root());
    CHECK_EQUAL(acme.get("/api/a").status, 200);
    CHECK_EQUAL(acme.get("/api/b/").status, 403);
    site.httpd.write("grants.conf", grants("MTLSGrant read /api/b/"));
    becomes([&] { return acme.get("/api/b/").status; }, 200, "granted");
    becomes([&] { return h2.get("/api/b/").status; }, 200, "granted over HTTP/2");
    CHECK_EQUAL(acme.get("/api/a").status, 403);
    CHECK_EQUAL(h2.get("/api/a").status, 403);
}

CLAIM(what_a_connection_was_granted_before_reaches_no_other_path_and_no_other_method) {
    const World& w = world();
    GrantSite site;
    site.httpd.write("htdocs/page.html", "<!--#echo var='HTTP_X_HTTP_METHOD_OVERRIDE' -->");
    site.httpd.load("include");
    site.start(
        grants("MTLSGrant read /api/own/** /api/exact\nMTLSGrant GET,POST /api/wide/**\n"
               "MTLSGrant GET /api/one/* /api/one/*/items/**",
               "", "MTLSGrant read /api/%{partner}/in /page/**"),
        "AliasMatch ^/page/ \"" + site.httpd.path("htdocs/page.html") +
            "\"\n<Location /page>\nOptions +Includes\nSetOutputFilter INCLUDES\nMTLSAllow by-grant\n</Location>\n"
            "<Location /api/exact/named>\nMTLSAllow partner g-acme\nMTLSAllow by-grant\n</Location>\n");
    TlsClient acme(site.httpd.port(), as(w.acme));
    const auto ask = [&acme](const char* path, int expected, const char* method = "GET") {
        test::check_equal(acme.get(path, "", method).status, expected, std::string(method) + " " + path, __FILE__,
                          __LINE__);
    };
    struct Granted {
        const char* fits[2];
        std::vector<const char*> others;
    };
    const Granted all[] = {
        {{"/api/own/x", "/api/own/y/z"}, {"/api/own", "/api/ownx/y", "/api/OWN/x", "/api/exact/", "/api/own/../x"}},
        {{"/api/exact", "/api/exact"}, {"/api/exact/", "/api/exactly", "/api/exact/x", "/api/exac"}},
        {{"/api/one/a", "/api/one/b"}, {"/api/one/", "/api/one", "/api/one/a/items", "/api/one/a/x", "/api/one/x%5Cy"}},
        {{"/api/one/a/items/1", "/api/one/b/items/2/3"}, {"/api/one//items/1", "/api/one/a/item/1"}},
        {{"/api/g-acme/in", "/api/g-acme/in"}, {"/api/g-globex/in", "/api/g-acme/into", "/api/g-acm/in"}},
        {{"/api/exact/named/x", "/api/exact/named/y"}, {"/api/exact/names", "/api/exact/x"}},
    };
    for (const Granted& one : all) {
        // Twice the same, so that the second is granted for the first one's sake; then what must not be.
        for (const char* other : one.others) {
            for (const char* path : {one.fits[0], one.fits[1], one.fits[0]}) ask(path, 200);
            ask(other, 403);
            ask(one.fits[1], 200);
        }
        ask(one.fits[0], 200, "HEAD");
    }
    // Each method by itself.
    for (int i = 0; i < 2; ++i) {
        ask("/api/wide/a", 200);
        ask("/api/wide/a", 200, "POST");
        ask("/api/wide/b", 200, "POST");
        ask("/api/wide/b", 403, "DELETE");
        ask("/api/own/x", 403, "POST");
        ask("/api/own/x", 200);
        ask("/api/own/x", 403, "POST");
    }
    // What would change the method is taken away on the short way too.
    for (int i = 0; i < 3; ++i) {
        const Response r = acme.get("/page/x", i == 0 ? "" : "x-http-METHOD-override: DELETE\r\n");
        CHECK_EQUAL(r.status, 200);
        CHECK_EQUAL(r.body, "(none)");
    }
}

CLAIM(devices_put_files_below_their_own_name_and_nowhere_else) {
    const World& w = world();
    const auto device = [&w](const std::vector<Attr>& names) {
        CertSpec spec;
        spec.subject = {{"O", "Fleet"}};
        spec.subject.insert(spec.subject.end(), names.begin(), names.end());
        return issue(spec, &w.acme_ca);
    };
    constexpr int kDevices = 6;
    GrantSite site;
    std::vector<Identity> devices;
    for (int i = 0; i < kDevices; ++i) {
        const std::string name = "dev-" + std::to_string(i);
        devices.push_back(device({{"CN", name}}));
        site.httpd.write("htdocs/devices/" + name + "/old", "text");
    }
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/devices")).c_str()), 0);
    site.httpd.load("dav");
    site.httpd.load("dav_fs");
    site.start(
        "<MTLSPartner fleet>\nMTLSIdentity O:Fleet\nMTLSTrustAnchor acme.pem\n"
        "MTLSGrant PUT,COPY /devices/%{cert:CN}/**\n</MTLSPartner>\n",
        "DavLockDB htdocs/devices/.locks\n<Directory \"" + site.httpd.path("htdocs/devices") +
            "\">\nDav On\n</Directory>\n<Location /devices>\nMTLSAllow by-grant\n</Location>\n");
    const auto put = [&](TlsClient& client, const std::string& path) {
        return client.get("/devices/" + path, "", "PUT", "content").status;
    };
    const std::string to = "Destination: https://localhost:" + std::to_string(site.httpd.port()) + "/devices/";
    for (int i = 0; i < kDevices; ++i) {
        const int tls = i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
        const std::string own = "dev-" + std::to_string(i), file = own + "/by-" + std::to_string(i);
        SslSessionPtr session;
        for (const int expected : {201, 204}) {  // in a full handshake, and in one that resumes it
            TlsClient client(site.httpd.port(), as(devices[static_cast<std::size_t>(i)], tls), session.get());
            CHECK_EQUAL(put(client, file), expected);
            CHECK_EQUAL(client.get("/devices/" + file).status, 403);  // GET is not granted
            for (int other = 0; other < kDevices; ++other) {
                const std::string its = "dev-" + std::to_string(other);
                if (other == i) continue;
                for (const std::string& path : {its + "/x", its + "/old", own + "/../" + its + "/x"}) {
                    CHECK_EQUAL(put(client, path), 403);
                }
                const int status = client.get("/devices/" + file, to + its + "/x\r\n", "COPY").status;
                CHECK(status / 100 == 4);
            }
            session = client.session();
        }
    }
    CHECK(site.httpd.wait_for_log(
        "denied PUT \"/devices/dev-1/x\": reason=not-allowed detail=\"by-grant\" claimed=fleet"));
    const std::vector<std::vector<Attr>> odd = {{{"CN", ".."}},
                                                {{"CN", "."}},
                                                {{"CN", ""}},
                                                {{"CN", "*"}},
                                                {{"CN", "**"}},
                                                {{"CN", "%{cert:CN}"}},
                                                {{"CN", "x/../dev-0"}},
                                                {{"CN", "dev-0/"}},
                                                {{"CN", "dev-0%2Fx"}},
                                                {{"CN", "dev-0;x"}},
                                                {{"CN", "dev-0\\x"}},
                                                {{"CN", "dev-0 "}},
                                                {{"CN", "DEV-0"}},
                                                {{"CN", "dev-0"}, {"CN", "dev-1"}},
                                                {{"CN", "dev-0"}, {"CN", "dev-0"}},
                                                {}};
    for (const std::vector<Attr>& names : odd) {
        const Identity who = device(names);
        TlsClient client(site.httpd.port(), as(who));
        for (const char* path : {"dev-0/y", "dev-1/y", "y", "../y", "x/../dev-0/y", "dev-0/x/y", "dev-0;x/y"}) {
            CHECK_EQUAL(put(client, path), 403);
        }
    }
    CHECK_EQUAL(std::system(("test -z \"$(find " + site.httpd.path("htdocs") + " -name x -o -name y)\"").c_str()), 0);
}

CLAIM(requests_inside_the_server_are_granted_for_what_they_are) {
    const World& w = world();
    GrantSite site;
    // Page and part have one merged configuration, and httpd authorizes the include no more.
    site.httpd.write("htdocs/same/open.html", "a<!--#include virtual=\"/same/closed.html\" -->z");
    site.httpd.write("htdocs/same/closed.html", "secret");
    site.httpd.write("htdocs/gated/open.html", "a<!--#include virtual=\"/gated/closed.html\" -->z");
    site.httpd.write("htdocs/gated/closed.html", "secret");
    site.httpd.write("htdocs/gated/file.html", "a<!--#include file=\"closed.html\" -->z");
    site.httpd.load("include");
    site.start(
        grants("MTLSGrant read /same/open.html /gated/open.html /gated/file.html", "MTLSGrant read /same/** /gated/**"),
        "<Location /same>\nOptions +Includes\nSetOutputFilter INCLUDES\nRequire mtls-grant\n</Location>\n"
        "<Location /gated>\nOptions +Includes\nSetOutputFilter INCLUDES\nMTLSAllow by-grant\n</Location>\n");
    for (const char* page : {"/same/open.html", "/gated/open.html", "/gated/file.html"}) {
        const Response response = TlsClient(site.httpd.port(), as(w.acme)).get(page);
        test::check_equal(response.status, 200, page, __FILE__, __LINE__);
        test::check(response.body.find("secret") == std::string::npos, page, __FILE__, __LINE__);
    }
    CHECK_EQUAL(TlsClient(site.httpd.port(), as(w.globex)).get("/same/open.html").body, "asecretz");
    CHECK_EQUAL(TlsClient(site.httpd.port(), as(w.globex)).get("/gated/open.html").body, "asecretz");
}

CLAIM(a_method_in_a_header_does_not_reach_the_application_behind_a_grant) {
    const World& w = world();
    GrantSite site;
    site.httpd.write("htdocs/hdr/page.html", "<!--#echo var='HTTP_X_HTTP_METHOD_OVERRIDE' -->");
    site.httpd.load("include");
    site.start(grants("MTLSGrant read /hdr/** /hdr2/**"),
               "Alias /hdr2 \"" + site.httpd.path("htdocs/hdr") +
                   "\"\n"
                   "<Location /hdr>\nOptions +Includes\nSetOutputFilter INCLUDES\nMTLSAllow by-grant\n</Location>\n"
                   "<Location /hdr2>\nOptions +Includes\nSetOutputFilter INCLUDES\nMTLSAuthz Off\nRequire "
                   "mtls-grant\n</Location>\n"
                   // Let in before grants are asked.
                   "Alias /hdr3 \"" +
                   site.httpd.path("htdocs/hdr") +
                   "\"\n<Location /hdr3>\nOptions +Includes\nSetOutputFilter INCLUDES\nRequire method GET\n"
                   "Require mtls-grant\n</Location>\n");
    for (const char* page : {"/hdr/page.html", "/hdr2/page.html", "/hdr3/page.html"}) {
        const Response r = TlsClient(site.httpd.port(), as(w.acme)).get(page, "X-HTTP-Method-Override: DELETE\r\n");
        test::check_equal(r.body, "(none)", page, __FILE__, __LINE__);
    }
}

CLAIM(webdav_below_a_grant_needs_a_grant_that_reaches_there) {
    const World& w = world();
    GrantSite site;
    for (const char* file : {"dav/top/one/f.txt", "dav/top/one/g.txt", "dav/tree/one/f.txt"})
        site.httpd.write(std::string("htdocs/") + file, "text");
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/dav")).c_str()), 0);
    site.httpd.load("dav");
    site.httpd.load("dav_fs");
    site.start(grants("MTLSGrant * /dav/top/ /dav/top/one /dav/top/one/ /dav/top/one/* /dav/tree/**"),
               "DavLockDB htdocs/dav/.locks\n<Directory \"" + site.httpd.path("htdocs/dav") +
                   "\">\nDav On\nDirectoryIndex disabled\n</Directory>\n"
                   "<Location /dav>\nMTLSAllow by-grant\n</Location>\n");
    CHECK_EQUAL(site.get(w.acme, "/dav/top/", "PROPFIND", "Depth: 0\r\n"), 207);
    CHECK_EQUAL(site.get(w.acme, "/dav/top/", "PROPFIND", "Depth: 1\r\n"), 403);
    CHECK_EQUAL(site.get(w.acme, "/dav/top/one/", "DELETE"), 403);
    CHECK_EQUAL(site.get(w.acme, "/dav/top/one/f.txt", "DELETE"), 204);
    CHECK_EQUAL(site.get(w.acme, "/dav/tree/", "PROPFIND", "Depth: 1\r\n"), 207);
    const std::string to = "Destination: https://localhost:" + std::to_string(site.httpd.port());
    CHECK_EQUAL(site.get(w.acme, "/dav/tree/one/", "COPY", to + "/dav/tree/two/\r\n"), 201);
    CHECK(site.get(w.acme, "/dav/tree/one/", "COPY", to + "/dav/top/one/h.txt\r\n") / 100 == 4);
    CHECK(site.get(w.acme, "/dav/tree/one/f.txt", "COPY", to + "/dav/elsewhere.txt\r\n") / 100 == 4);
    CHECK_EQUAL(site.get(w.acme, "/dav/tree/one/f.txt", "COPY", to + "/dav/top/one/h.txt\r\n"), 201);
    CHECK_EQUAL(site.get(w.acme, "/dav/tree/one/", "DELETE"), 204);
}

CLAIM(grants_and_gates_that_do_not_meet_are_warned_of) {
    GrantSite site;
    site.httpd.write("grants.conf", grants("MTLSGrant read /api/a /nowhere/** /req/x"));
    site.httpd.configure(
        "MTLSPolicyFile grants.conf\n<Location /api>\nMTLSAllow by-grant\n</Location>\n<Location /req>\nRequire "
        "mtls-grant\n</Location>\n");
    auto out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 0);
    CHECK_CONTAINS(out.text, "MTLSGrant /nowhere/**: no gate asks for it");
    CHECK(out.text.find("MTLSGrant /api/a:") == std::string::npos);
    CHECK(out.text.find("MTLSGrant /req/x:") == std::string::npos);
    site.httpd.write("grants.conf", grants(""));
    out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 0);
    CHECK_CONTAINS(out.text, "<Location /api> asks for grants, but the policy has none");
    site.httpd.configure("MTLSPolicyFile grants.conf\n<Location /req>\nRequire mtls-grant acme\n</Location>\n");
    out = site.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "takes no arguments");
}
