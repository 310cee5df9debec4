// A path that a backend reads otherwise than httpd leads around no gate, and no header names another one.
#include <filesystem>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "trailer_site.hpp"
#include "world.hpp"

using namespace test;

namespace {

// Everything goes to a backend that answers with the request it got.
struct Backed {
    Site site;
    EchoBackend backend;
    explicit Backed(const std::string& lines, const std::string& how = "", const std::string& vhost = "")
        : site(), backend(site.httpd.next_port()) {
        site.load("proxy").load("proxy_http").vhost(vhost + backend.pass("/", how));
        site.start(lines);
    }
    int status(const Identity* who, const std::string& path) { return site.get(who, path).status; }
    void refuses(const Identity* who, const std::string& path) {
        check_equal(status(who, path), 403, path, __FILE__, __LINE__);
    }
    void lets(const Identity* who, const std::string& path) {
        check_equal(status(who, path), 200, path, __FILE__, __LINE__);
    }
    std::string got(const Identity* who, const std::string& path, const std::string& headers) {
        return site.get(who, path, headers).body;
    }
};

const char* const kOwners =
    "<Location /a/acme>\nMTLSAllow partner acme\n</Location>\n<Location /a/globex>\nMTLSAllow partner globex\n"
    "</Location>\n<Location /a/acme/admin>\nMTLSAllow none\n</Location>\n";

}  // namespace

CLAIM(denies_a_path_that_a_backend_reads_as_one_behind_another_gate) {
    const World& w = world();
    Backed b(kOwners);
    for (const char* path : {"/a/acme;/x", "/a/acme;v=1/x", "/a;/acme/x", "/;/a/acme/x", "/;v/;/a;b/acme/x",
                             "/a/acme%3b/x", "/a/acme%253bq/x", "/a%5cacme/x", "/a%255cacme%255cx", "/a/acme%252fx",
                             "/a/%2561cme/x", "/%3b/a/acme", "/a/acme;", "/a%3b%5cacme/x"}) {
        b.refuses(nullptr, path);
        b.refuses(&w.globex, path);
    }
    for (const char* path : {"/a/acme/admin;/x", "/a/acme/;/admin/x", "/a/acme/admin%252fx", "/a/acme%5cadmin"}) {
        b.refuses(&w.acme, path);
    }
    CHECK(b.site.httpd.wait_for_log("reason=bad-path"));
    b.refuses(nullptr, "/a/acme;/told");
    CHECK_CONTAINS(b.site.log_about("/a/acme;/told"),
                   "a backend may read it as '/a/acme/told', which is behind <Location /a/acme> at");
    // One gate in every reading.
    for (const char* path : {"/a/acme/x", "/a/acme/x;v=1", "/a/acme/x;v=1/y", "/a/acme/x%3bv/y", "/a/acme/b%252fc",
                             "/a/acme/50%25", "/a/acme/x?q=;/admin/", "/a/acme/b%5cc"}) {
        b.lets(&w.acme, path);
    }
    // No gate in any.
    for (const char* path :
         {"/open/x", "/open/x;v=1/y", "/open;v=1/x", "/open/50%25", "/open/b%252fc", "/open/x?next=/a/acme;/x",
          "/b/a/acme;/x", "/open/%e2%82%ac;%c3%a4/x", "/open/a%3Bb", "/open/a%5cb"}) {
        b.lets(nullptr, path);
    }
}

CLAIM(an_encoded_slash_that_httpd_keeps_is_read_as_one) {
    const World& w = world();
    Backed b(kOwners, "", "AllowEncodedSlashes NoDecode\n");
    for (const char* path : {"/a%2facme%2fx", "/a/acme;%2f/x", "/;%2fv/a/acme/x", "/a%2Facme"})
        b.refuses(nullptr, path);
    b.lets(&w.acme, "/a/acme/b%2fc");
    b.lets(nullptr, "/open/b%2fc");
}

CLAIM(gates_that_say_the_same_are_one_gate) {
    const World& w = world();
    Backed b(
        "<Location /a>\nMTLSAllow partner acme\n</Location>\n<LocationMatch \"^/a/[a-z]+/x$\">\nMTLSAllow partner "
        "acme\n</LocationMatch>\n<LocationMatch \"^/r/[a-z]+/\">\nRequire mtls-partner acme\n</LocationMatch>\n"
        "<LocationMatch \"^/r/[a-z]+;v/\">\nRequire mtls-partner acme\n</LocationMatch>\n"
        "<LocationMatch \"^/l/[a-z]+/\">\nMTLSAuthz LogOnly\nMTLSAllow none\n</LocationMatch>\n"
        "<LocationMatch \"^/s/[a-z]+;v/\">\nMTLSAllow partner acme\n</LocationMatch>\n");
    b.lets(&w.acme, "/a/b;v/x");
    b.refuses(&w.globex, "/a/b;v/x");
    b.lets(&w.acme, "/r/b;v/x");
    b.refuses(&w.acme, "/r/b;w/x");
    b.lets(nullptr, "/l/b;v/x");  // nothing is enforced there
    b.lets(&w.acme, "/s/b;v/x");  // the path itself has the only gate
    b.refuses(&w.globex, "/s/b;v/x");
}

CLAIM(readings_are_asked_of_every_kind_of_gate) {
    const World& w = world();
    Backed b(
        "<Location /req>\nRequire mtls-partner acme\n</Location>\n<LocationMatch \"\\.png$\">\nRequire all granted\n"
        "</LocationMatch>\n<Location /user>\nAuthType MTLS\nRequire valid-user\n</Location>\n"
        "<If \"%{REQUEST_URI} =~ m#^/cond/#\">\nMTLSAllow partner acme\n</If>\n"
        "<If \"%{REQUEST_URI} =~ m#\\.jpg$#\">\nRequire all granted\n</If>\n"
        "<LocationMatch \"^/p/(?<OWNER>[^/;]+)[^/]*/\">\nMTLSAllow partner %{env:MATCH_OWNER}\n</LocationMatch>\n"
        "<Location /img>\nMTLSAllow partner acme\n</Location>\n<LocationMatch \"^/img/.*\\.gif$\">\nMTLSAuthz Off\n"
        "</LocationMatch>\n<Location ~ \"^/tilde/\">\nMTLSAllow partner acme\n</Location>\n"
        "<Location \"/w?ld/*/in\">\nMTLSAllow partner acme\n</Location>\n");
    for (const char* path : {"/req;/x", "/req/secret;.png", "/req/secret;.jpg", "/user;/x", "/cond;/x", "/;/cond/x",
                             "/img/secret;.gif", "/tilde;/x", "/wild/x;/in;"}) {
        b.refuses(nullptr, path);
        check_equal(b.site.reason_for(path), "bad-path", path, __FILE__, __LINE__);
    }
    b.refuses(nullptr, "/p%5cacme/x");
    b.lets(&w.acme, "/p/acme;v/x");
    b.refuses(&w.globex, "/p/acme;v/x");
    b.refuses(&w.acme, "/p/acme%5cglobex/x");
    b.lets(&w.acme, "/req/x;v");
    b.lets(nullptr, "/req/open.png");
    b.lets(&w.acme, "/user/x;v");
    b.lets(&w.acme, "/cond/x;v");
    b.lets(nullptr, "/img/open.gif");
}

CLAIM(readings_are_asked_of_each_condition_that_requires_something) {
    const World& w = world();
    Backed b(
        "<If \"%{REQUEST_URI} =~ m#^/pub/#\">\nRequire mtls-any-partner\n</If>\n"
        "<If \"%{REQUEST_URI} =~ m#^/pub/acme/#\">\nRequire mtls-partner acme\n</If>\n");
    for (const char* path : {"/pub/acme/x", "/pub/acme;/x", "/pub/acme%5cx", "/pub/acme%252fx"}) {
        b.refuses(&w.globex, path);
    }
    b.lets(&w.acme, "/pub/acme/x;v");
    b.lets(&w.globex, "/pub/x;v");
    b.lets(nullptr, "/open;v/x");
    Backed either(
        "<If \"%{REQUEST_URI} =~ m#^/c/acme/#\">\nRequire mtls-partner acme\n</If>\n<Else>\n"
        "Require mtls-any-partner\n</Else>\n");
    either.refuses(&w.globex, "/c/acme;/x");
    either.lets(&w.globex, "/c/other;v/x");
    either.lets(&w.acme, "/c/acme/x;v");
}

CLAIM(where_mod_actions_may_choose_a_program_dot_segments_count_for_files_too) {
    const World& w = world();
    for (const bool has_actions : {true, false}) {
        Site site;
        site.httpd.write("htdocs/globex/index.html", "a file");
        if (has_actions) site.load("actions");
        site.start(location("/acme", "MTLSAllow partner acme") + location("/globex", "MTLSAllow partner globex") +
                   (has_actions ? "Action text/html /globex/index.html\n" : ""));
        const std::string path = "/acme/../globex/index.html";
        CHECK_EQUAL(site.get(&w.globex, path).status, has_actions ? 403 : 200);
        if (has_actions) CHECK_CONTAINS(site.httpd.error_log(), "reason=bad-path");
    }
}

CLAIM(a_path_that_the_backend_gets_raw_is_decided_raw_too) {
    const World& w = world();
    const std::string gates = std::string(kOwners) + "<Location /g>\nMTLSAllow by-grant\n</Location>\n";
    Backed raw(gates, " nocanon");
    for (const char* path : {"/a/acme//../globex/x", "/a/acme//%2e%2e/globex/x", "/a/acme/y//../../globex/x",
                             "/a/acme/../globex/x", "/a/acme/.;/../globex/x"}) {
        raw.refuses(&w.globex, path);
    }
    for (const char* path : {"/a/globex/x", "/a/globex//x", "/a/globex/y/../x", "/a/globex/%78", "/a/globex/x;v=1",
                             "/a/globex/x%20y", "/a/globex/x?y=//../acme"}) {
        raw.lets(&w.globex, path);
    }
    raw.lets(nullptr, "/open//x/../y");
    // httpd matches sections without what follows a '#', but sends it to the backend.
    Backed unsafe(gates, " nocanon", "HttpProtocolOptions Unsafe\n");
    unsafe.refuses(&w.globex, "/a/globex/x#/../../acme/x");
    unsafe.lets(&w.globex, "/a/globex/x#y");
    // Canonical: the backend gets what was decided.
    Backed canonical(gates);
    canonical.lets(&w.globex, "/a/acme//../globex/x");
}

// mod_rewrite does not escape the decoded path then: `%23` arrives as `#`, and nginx, node and others cut there.
CLAIM(a_path_that_the_backend_gets_unescaped_is_read_up_to_its_fragment) {
    const World& w = world();
    Site site;
    EchoBackend backend(site.httpd.next_port());
    site.load("proxy").load("proxy_http").load("rewrite");
    site.vhost("RewriteEngine On\nRewriteRule ^/(.*) " + backend.url() + "/$1 [P,NE]\n");
    const std::string grant = "MTLSGrant GET /g/*/items /g/open/*\n";
    site.start(grant + location("/a", "MTLSAllow partner acme") + location("/a/keys", "MTLSAllow none") +
               location("/g", "MTLSAllow by-grant"));
    const auto answers = [&](const Identity* who, const std::string& path, int status) {
        check_equal(site.get(who, path).status, status, path, __FILE__, __LINE__);
    };
    CHECK_CONTAINS(site.get(nullptr, "/open/x%23y").body, "GET /open/x#y ");
    for (const char* path : {"/a%23x", "/a%2523x", "/a%23/open", "/a;v%23", "/a%253fx", "/a%5ckeys%23"}) {
        answers(nullptr, path, 403);
        answers(&w.globex, path, 403);
    }
    answers(&w.acme, "/a/keys%23x", 403);
    for (const char* path : {"/a/x%23y", "/a/%23/keys", "/a/b%2523", "/a/x%253fy", "/a/what%23"}) {
        answers(&w.acme, path, 200);
        answers(nullptr, path, 403);
    }
    for (const char* path : {"/g/5/items", "/g/open/5%23x"}) answers(&w.globex, path, 200);
    answers(&w.globex, "/g/5%23/items", 403);
}

namespace {

// An application behind CGI, which routes by REQUEST_URI and says what it got; everything is its own.
struct Scripted {
    Site site;
    explicit Scripted(const std::string& gates) {
        site.httpd.write("htdocs/app/front.cgi",
                         "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\n%s\" \"$REQUEST_URI\"\n");
        CHECK_EQUAL(std::system(("chmod a+x " + site.httpd.path("htdocs/app/front.cgi")).c_str()), 0);
        const std::string folder = site.httpd.path("htdocs/app");
        for (const char* name : {"cgi", "rewrite", "include", "auth_basic", "authn_file", "authz_user"})
            site.load(name);
        site.vhost("RewriteEngine On\nRewriteRule ^/old/(.*) /app/$1 [PT]\nScriptAlias /api \"" + folder +
                   "/front.cgi\"\n");
        site.start("<Directory \"" + folder +
                   "\">\nOptions +ExecCGI +Includes\nAddHandler cgi-script .cgi\nAddOutputFilter "
                   "INCLUDES .shtml\nFallbackResource /app/front.cgi\n</Directory>\n" +
                   gates);
    }
    void refuses(const Identity* who, const std::string& path) {
        check_equal(site.get(who, path).status, 403, path, __FILE__, __LINE__);
        check(site.httpd.wait_for_log("reason=bad-path"), path, __FILE__, __LINE__);
    }
    void lets(const Identity* who, const std::string& path) {
        const Response got = site.get(who, path);
        check_equal(got.status, 200, path, __FILE__, __LINE__);
        check_equal(got.body, path, path, __FILE__, __LINE__);
    }
};

}  // namespace

CLAIM(a_path_that_the_application_reads_with_its_dot_segments_leads_to_no_other_gate) {
    const World& w = world();
    Scripted app(location("/app", "MTLSAllow any-partner") +
                 "<LocationMatch \"^/(app|api|old)/(?<WHO>acme|globex)/\">\nMTLSAllow partner "
                 "%{env:MATCH_WHO}\n</LocationMatch>\n" +
                 location("/api/req", "Require mtls-partner acme"));
    for (const char* path : {"/app/acme/../globex/x", "/app/acme/%2e%2e/globex/x", "/app/acme/.%2E/globex/x",
                             "/app/%61cme/../globex/y", "/api/acme/../globex/x", "/app//acme/../globex/z",
                             "/app/acme/./../globex/x?q", "/api/req/../globex/x", "/old/acme/../globex/x"}) {
        app.refuses(&w.globex, path);
    }
    // From ungated places too.
    app.refuses(nullptr, "/api/acme/../open");
    for (const char* path : {"/app/globex/x", "/app/globex/y/../x", "/app/globex/./x", "/app/glob%65x/x",
                             "/app/globex/x%20y", "/app/globex//x", "/app/globex/x?n=/../acme/", "/app/globex/.x",
                             "/app/globex/a%2eb", "/app/globex/a..b/c", "/old/globex/x", "/app/globex/"}) {
        app.lets(&w.globex, path);
    }
    for (const char* path : {"/api/open/../x", "/api/./x", "/api/%2e/x"}) app.lets(nullptr, path);
}

CLAIM(a_path_that_an_application_reads_as_an_address_leads_to_no_gate) {
    const World& w = world();
    Scripted app(location("/api/acme", "MTLSAllow partner acme"));
    for (const char* path : {"//x/api/acme/y", "//x:1//api/acme/y", "///x/api/acme/y"}) {
        app.refuses(nullptr, path);
        app.refuses(&w.acme, path);
    }
    for (const char* path : {"//api/open/y", "//api/x", "/api//x/api/acme"}) app.lets(nullptr, path);
    app.lets(&w.acme, "/api/acme//x/y");
}

CLAIM(an_authority_that_an_application_reads_as_a_folder_leads_to_no_gate) {
    const World& w = world();
    Scripted app("MTLSGrant * /api/granted/**\n" + location("/admin", "MTLSAllow partner acme") +
                 location("/api/acme", "MTLSAllow partner acme") + location("/api/granted", "MTLSAllow by-grant"));
    for (const char* line : {"http://admin/api/x", "https://admin/api/x", "http://localhost\\admin/api/x"}) {
        app.refuses(nullptr, line);
        app.refuses(&w.acme, line);
    }
    // As clients of proxies send them.
    for (const char* line : {"http://localhost/api/x", "http://administration/api/x", "http://localhost/api/a%20b"}) {
        app.lets(nullptr, line);
    }
    for (const char* line : {"http://localhost/api/acme/x", "https://localhost/api/granted/x"}) app.lets(&w.acme, line);
    CHECK_EQUAL(app.site.get(&w.globex, "http://localhost/api/acme/x").status, 403);
    CHECK_EQUAL(app.site.get(nullptr, "https://localhost/api/granted/x").status, 403);
    CHECK_EQUAL(app.site.get(&w.acme, "https://localhost/api/granted;/x").status, 403);
}

CLAIM(an_authority_reaches_no_backend_as_a_folder_behind_a_gate) {
    const World& w = world();
    Site site;
    const EchoBackend backend(site.httpd.next_port());
    site.load("proxy")
        .load("proxy_http")
        .vhost("ProxyPassMatch \"/(.*)$\" \"" + backend.url() + "/$1\" nocanon disablereuse=on\n");
    site.start(location("/admin", "MTLSAllow partner acme"));
    CHECK_EQUAL(site.get(nullptr, "http://admin/keys").status, 403);
    CHECK_EQUAL(site.get(nullptr, "http://localhost/admin/keys").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "http://localhost/admin/keys").status, 200);
    CHECK_EQUAL(site.get(nullptr, "http://localhost/keys").status, 200);
}

CLAIM(a_program_for_errors_serves_no_request_that_a_gate_has_not_let_in) {
    const World& w = world();
    const std::string login =
        "AuthType Basic\nAuthName x\nAuthBasicProvider file\nAuthUserFile none\nRequire valid-user";
    Scripted app("ErrorDocument 404 /api\nErrorDocument 403 /api\nErrorDocument 401 /api\n" +
                 location("/a/globex", "MTLSAllow partner globex") + location("/a/req", "Require mtls-partner globex") +
                 location("/a/static", "ErrorDocument 403 /denied.html\nMTLSAllow none") +
                 location("/a/login", "MTLSAllow any-partner\n" + login));
    app.site.httpd.write("htdocs/denied.html", "sorry");
    const auto got = [&](const Identity* who, const char* path) { return app.site.get(who, path).body; };
    // The first two are answered before httpd looks for sections, the others are denied.
    for (const char* path : {"/a/globex%2fx", "/a/%2e%2e/a/globex%2fx", "/a/globex/x", "/a/req/x"}) {
        for (const Identity* who : {static_cast<const Identity*>(nullptr), &w.acme}) {
            check(got(who, path).find("/a/") == std::string::npos, path, __FILE__, __LINE__);
            CHECK(app.site.get(who, path).status >= 400);
        }
    }
    CHECK(app.site.httpd.wait_for_log("reason=bad-path"));
    for (const char* path : {"/a/globex/missing", "/a/req/missing"}) CHECK_EQUAL(got(&w.globex, path), path);
    for (const char* path : {"/nowhere", "/no%2fwhere"}) CHECK_EQUAL(got(nullptr, path), path);
    CHECK_EQUAL(got(&w.acme, "/a/static/x"), "sorry");
    CHECK_EQUAL(got(&w.acme, "/a/login/x"), "/a/login/x");
    CHECK(got(nullptr, "/a/login/x") != "/a/login/x");
}

CLAIM(a_program_for_errors_serves_no_request_whose_line_was_not_judged) {
    const World& w = world();
    Scripted app("ErrorDocument 404 /api\nErrorDocument 501 /api\n" +
                 location("/a/globex", "MTLSAllow partner globex"));
    app.site.httpd.write("htdocs/plain.html", "plain");
    app.site.httpd.write("htdocs/a/globex/own page.html", "own");
    const auto got = [&](const Identity* who, const char* path, const char* method) {
        return app.site.get(who, path, "", method).body;
    };
    // httpd serves files itself; but a method that it does not know, or more behind the name, is an error.
    for (const char* path : {"/a/globex/../../plain.html", "/a/globex/%2e%2e/%2e%2e/plain.html"}) {
        CHECK_EQUAL(got(nullptr, path, "GET"), "plain");
        const Response brewed = app.site.get(nullptr, path, "", "BREW");
        CHECK_EQUAL(brewed.status, 501);
        check(brewed.body.find("/a/") == std::string::npos, path, __FILE__, __LINE__);
    }
    CHECK(got(nullptr, "/a/globex/../../plain.html/x", "GET").find("/a/") == std::string::npos);
    for (const char* path : {"/plain.html", "/x/../plain.html"}) CHECK_EQUAL(got(nullptr, path, "BREW"), path);
    CHECK_EQUAL(got(nullptr, "/plain.html/x", "GET"), "/plain.html/x");
    CHECK_EQUAL(got(&w.globex, "/a/globex/own%20page.html", "BREW"), "/a/globex/own%20page.html");
}

CLAIM(a_script_reads_the_path_as_written_and_a_file_is_the_one_that_was_found) {
    const World& w = world();
    Site site;
    std::string gates =
        "<LocationMatch \"^/gated/(?<WHO>acme|globex)/\">\nMTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n";
    for (const std::string folder : {"gated", "required"}) {
        for (const std::string who : {"acme", "globex"}) {
            const std::string place = "htdocs/" + folder + "/" + who;
            site.httpd.write(place + "/page.html", "page");
            site.httpd.write(place + "/run.cgi", "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\nrun\"\n");
            std::filesystem::permissions(site.httpd.path(place + "/run.cgi"),
                                         std::filesystem::perms::owner_exec | std::filesystem::perms::others_exec,
                                         std::filesystem::perm_options::add);
            if (folder == "required") gates += location("/required/" + who, "Require mtls-partner " + who);
        }
    }
    site.load("cgi").start("<Directory \"" + site.httpd.path("htdocs") +
                           "\">\nOptions +ExecCGI\nAddHandler cgi-script .cgi\n</Directory>\n" + gates);
    for (const std::string folder : {"/gated/", "/required/"}) {
        const auto answers = [&](const std::string& path, int status) {
            const Response got = site.get(&w.globex, folder + path);
            check_equal(got.status, status, folder + path, __FILE__, __LINE__);
            if (status == 200) check_equal(got.body, path.ends_with(".cgi") ? "run" : "page", path, __FILE__, __LINE__);
        };
        answers("globex/run.cgi", 200);
        answers("globex/page.html", 200);
        answers("globex/x/../run.cgi", 200);
        answers("acme/../globex/page.html", 200);
        answers("acme/../globex/run.cgi", 403);
        answers("acme/%2e%2e/globex/run.cgi", 403);
        answers("acme/run.cgi", 403);
    }
    CHECK(site.httpd.wait_for_log("reason=bad-path"));
}

CLAIM(a_path_that_was_rewritten_for_a_program_is_read_as_asked_for_too) {
    const World& w = world();
    Site site;
    for (const char* name : {"run.cgi", "page.html"}) {
        site.httpd.write("htdocs/front/" + std::string(name),
                         "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\nrun\"\n");
        std::filesystem::permissions(site.httpd.path("htdocs/front/" + std::string(name)),
                                     std::filesystem::perms(0755));
    }
    site.load("cgi").load("rewrite").vhost(
        "RewriteEngine On\nRewriteRule ^/(gated|required|open)/run /front/run.cgi [PT]\n"
        "RewriteRule ^/(gated|required|open)/page /front/page.html [PT]\nRewriteRule ^/same/run /both/run.cgi [PT]\n"
        "Alias /both/ \"" +
        site.httpd.path("htdocs/front/") + "\"\n");
    site.start("<Directory \"" + site.httpd.path("htdocs/front") +
               "\">\nOptions +ExecCGI\nAddHandler cgi-script .cgi\n</Directory>\n" +
               location("/gated", "MTLSAllow partner acme") + location("/required", "Require mtls-partner acme") +
               location("/same", "MTLSAllow partner acme") + location("/both", "MTLSAllow partner acme"));
    const auto answers = [&](const Identity* who, const std::string& path, int status) {
        check_equal(site.get(who, path).status, status, path, __FILE__, __LINE__);
    };
    for (const Identity* who : {&w.acme, &w.globex, static_cast<const Identity*>(nullptr)}) {
        // httpd merges the sections of the new path alone, and the program reads the old one.
        answers(who, "/gated/run", 403);
        answers(who, "/required/run", 403);
        CHECK_EQUAL(site.reason_for("/front/run.cgi"), "bad-path");
        answers(who, "/open/run", 200);
        answers(who, "/open/run?/gated/", 200);
        answers(who, "/front/run.cgi", 200);
        // httpd serves a plain file itself, so nothing reads the old path.
        answers(who, "/gated/page", 200);
        answers(who, "/same/run", who == &w.acme ? 200 : 403);
    }
}

CLAIM(fastcgi_and_its_relatives_hand_over_the_raw_path_and_http_does_not) {
    const World& w = world();
    Site site;
    for (const char* module : {"proxy", "proxy_http", "proxy_fcgi", "proxy_scgi", "proxy_uwsgi"}) site.load(module);
    std::string lines;
    for (const char* scheme : {"fcgi", "scgi", "uwsgi", "http"}) {
        const std::string path = std::string("/") + scheme;
        lines += "ProxyPass " + path + " " + scheme + "://127.0.0.1:1/app\n";
    }
    site.vhost(lines);
    site.start(
        "<LocationMatch \"^/[a-z]+/(?<WHO>acme|globex)/\">\nMTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n");
    for (const std::string path : {"/fcgi/", "/scgi/", "/uwsgi/"}) {
        check_equal(site.get(&w.globex, path + "acme/../globex/x").status, 403, path, __FILE__, __LINE__);
        check_equal(site.get(&w.globex, path + "globex/y/../x").status, 503, path, __FILE__, __LINE__);
    }
    CHECK_EQUAL(site.get(&w.globex, "/http/acme/../globex/x").status, 503);
}

CLAIM(what_the_server_itself_includes_has_no_raw_path) {
    const World& w = world();
    Scripted app(location("/app/acme", "MTLSAllow partner acme") + location("/app/globex", "MTLSAllow any-partner"));
    app.site.httpd.write("htdocs/app/acme/page.shtml", "[<!--#include virtual=\"../globex/part.html\" -->]");
    app.site.httpd.write("htdocs/app/globex/part.html", "part");
    CHECK_EQUAL(app.site.get(&w.acme, "/app/acme/page.shtml").body, "[part]");
}

CLAIM(a_virtual_host_without_gates_of_its_own_has_those_of_the_server) {
    const World& w = world();
    Site site;
    site.vhost("<Location /own>\nMTLSAllow partner acme\n</Location>");
    site.start(location("/gate", "MTLSAllow partner acme"));
    CHECK_EQUAL(site.get(nullptr, "/;/gate/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate;/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/own;/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/free/own;/x").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/x;v").status, 200);
}

CLAIM(double_slashes_that_httpd_keeps_are_another_reading) {
    const World& w = world();
    Site site;
    site.vhost("MergeSlashes Off");
    site.start(
        "MergeSlashes Off\n<LocationMatch \"^/gate/+in/\">\nMTLSAllow partner acme\n</LocationMatch>\n"
        "<LocationMatch \"^/gate/req/\">\nRequire mtls-partner acme\n</LocationMatch>\n");
    CHECK_EQUAL(site.get(nullptr, "/gate//req/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate//in/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate//in/x").status, 200);
    CHECK_EQUAL(site.get(nullptr, "/free//in/x").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/in//x").status, 200);
}

CLAIM(no_spelling_of_a_header_names_another_method_or_path) {
    const World& w = world();
    Backed b(
        "<Location /m>\nMTLSAllow any-partner methods=GET,POST\n</Location>\n<Location /r>\nRequire mtls-any-partner\n"
        "</Location>\n");
    for (const char* name : {"X-Original-URL",   "X_Original_URL",        "x.original.url",       "-X-Rewrite-URL",
                             "X-Forwarded-Uri",  "XOriginalMethod",       "X-HTTP-Path-Override", "X-Original-URI",
                             "X-Rewrite-URI",    "X-Request-URI",         "X-Override-URL",       "X-Original-Path",
                             "x_forwarded_path", "X-Envoy-Original-Path", "X-Waws-Unencoded-Url", "X-Proxy-URL",
                             "SCRIPT_NAME",      "Script-Name",           "X-Script-Name",        "Path_Info"}) {
        const std::string header = std::string(name) + ": evil\r\n";
        for (const char* path : {"/m/x", "/r/x", "/open/x"}) {
            const std::string got = b.got(&w.acme, path, header);
            check(got.starts_with("GET ") && got.find("evil") == std::string::npos, header + path, __FILE__, __LINE__);
        }
    }
    for (const char* name : {"X-HTTP-Method-Override", "X_HTTP_Method_Override", "X-HTTP_Method-Override",
                             "x.http.method.override", "X-HTTP-Method", "X_Method_Override", "X-HTTP-Verb",
                             "X-Forwarded-Method", "X_Envoy_Original_Method", "X-Request-Method"}) {
        const std::string header = std::string(name) + ": evil\r\n";
        const std::string got = b.got(&w.acme, "/m/x", header);
        check(got.starts_with("GET ") && got.find("evil") == std::string::npos, header, __FILE__, __LINE__);
        for (const char* path : {"/r/x", "/open/x"}) CHECK_CONTAINS(b.got(&w.acme, path, header), "evil");
    }
    for (const char* name :
         {"X-Original-Scheme", "X-Forwarded-Prefix", "X-Method", "X-Override-Reason", "Priority", "Sec-Fetch-Site"}) {
        const std::string got = b.got(&w.acme, "/m/x", std::string(name) + ": mine\r\n");
        check(got.find("mine") != std::string::npos, name + got, __FILE__, __LINE__);
    }
}

CLAIM(a_server_without_gates_takes_no_header_away) {
    Backed ungated("");
    CHECK_CONTAINS(ungated.got(nullptr, "/open/x", "X-Original-URL: mine\r\n"), "mine");
}

CLAIM(no_trailer_names_another_method_or_path) {
    TrailerSite s("%{X_HTTP_Method}i %{X.Original.URL}i %{X-Mine}i");
    s.site.start("<Location /m>\nMTLSAllow any-partner methods=GET,POST\n</Location>\n");
    for (const char* path : {"/m/x", "/open/x"}) {
        s.post(&world().acme, path, "X_HTTP_Method: evil\r\nX.Original.URL: evil\r\nX-Mine: mine\r\n");
    }
    s.logs("/m/x - - mine\n/open/x evil - mine\n");
}

CLAIM(no_trailer_names_another_destination_or_depth) {
    TrailerSite s("%{Destination}i %{Overwrite}i %{Depth}i %{New-uri}i %{X-Mine}i");
    s.site.start("<Location /m>\nMTLSAllow any-partner\n</Location>\n");
    const std::string trailers =
        "3\r\nabc\r\n0\r\nDestination: /m/evil\r\nOverwrite: T\r\nDepth: infinity\r\nNew-uri: /m/evil\r\n"
        "X-Mine: mine\r\n\r\n";
    for (const char* path : {"/m/x", "/open/x"}) {
        s.site.get(&world().acme, path, "Transfer-Encoding: chunked\r\nDestination: /m/y\r\nOverwrite: F\r\n", "COPY",
                   trailers);
        s.site.get(&world().acme, path, "Transfer-Encoding: chunked\r\n", "POST", trailers);
    }
    s.logs("/m/x /m/y F - - mine\n/m/x - - - - mine\n/open/x /m/y F - - mine\n/open/x - - - - mine\n");
}
