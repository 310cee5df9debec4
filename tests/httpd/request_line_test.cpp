// What a program reads in REQUEST_URI: the path as the client wrote it, which leads around no gate.
#include <filesystem>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "world.hpp"

using namespace test;

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

CLAIM(a_program_for_errors_serves_no_request_that_was_denied_after_a_redirect) {
    const World& w = world();
    for (const char* rule :
         {"MTLSAllow partner globex", "Require mtls-partner globex", "AuthType MTLS\nRequire user globex"}) {
        Site site;
        for (const char* name : {"cgi", "rewrite", "include", "authz_user"}) site.load(name);
        const auto write = [&](const char* name, const std::string& text) {
            site.httpd.write("htdocs/" + std::string(name), text);
            std::filesystem::permissions(site.httpd.path("htdocs/" + std::string(name)), std::filesystem::perms(0755));
        };
        const std::string head = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; ";
        write("errors.cgi", head + "printf '[%s]' \"$REDIRECT_URL\"\n");
        write("open/to.cgi", "#!/bin/sh\nprintf 'Location: %s\\n\\n' \"$QUERY_STRING\"\n");
        write("folder/x", "");
        write("sorry.html", "sorry");
        write("sorry.shtml", "sorry<!--#include virtual=\"/errors.cgi\" -->");
        const std::string folder = site.httpd.path("htdocs");
        const std::string errors = "ErrorDocument 403 /errors.cgi\nErrorDocument 404 /errors.cgi\n";
        site.vhost("RewriteEngine On\nRewriteRule ^/pass/(.*) /admin/$1 [PT]\n");
        site.start(
            "<Directory \"" + folder +
            "\">\nOptions +ExecCGI +FollowSymLinks +Includes\nAddHandler cgi-script .cgi\nAddOutputFilter INCLUDES "
            ".shtml\n</Directory>\n<Directory \"" +
            folder + "/folder\">\nRewriteEngine On\nRewriteRule ^(.*)$ /admin/$1\n</Directory>\n" + errors +
            location("/admin", rule) + location("/admin/static", "ErrorDocument 403 /sorry.html") +
            location("/admin/page", "ErrorDocument 403 /sorry.shtml"));
        for (const std::string to : {"/pass/", "/folder/", "/open/to.cgi?/admin/"}) {
            for (const Identity* who : {&w.acme, static_cast<const Identity*>(nullptr)}) {
                const Response got = site.get(who, to + "keys");
                check_equal(got.status, 403, to, __FILE__, __LINE__);
                check(got.body.find("[") == std::string::npos, to + got.body, __FILE__, __LINE__);
                CHECK_EQUAL(site.get(who, to + "static/keys").body, "sorry");
                const std::string page = site.get(who, to + "page/keys").body;
                check(page.starts_with("sorry") && page.find("keys") == std::string::npos, page, __FILE__, __LINE__);
            }
            check_equal(site.get(&w.globex, to + "keys").body, "[/admin/keys]", to, __FILE__, __LINE__);
        }
        CHECK_EQUAL(site.get(nullptr, "/open/to.cgi?/nothing").body, "[/nothing]");
        CHECK_EQUAL(site.get(nullptr, "/nothing").body, "[/nothing]");
    }
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

CLAIM(a_page_with_includes_shows_no_program_a_request_line_that_leads_behind_a_gate) {
    const World& w = world();
    Scripted app(location("/app/acme", "MTLSAllow partner acme") + location("/old/acme", "MTLSAllow partner acme"));
    app.site.httpd.write("htdocs/app/page.shtml", "[<!--#include virtual=\"/app/front.cgi\" -->]");
    for (const char* path : {"/app/acme/../page.shtml", "/app/acme/%2e%2e/page.shtml", "/old/acme/../page.shtml"}) {
        app.refuses(nullptr, path);
        app.refuses(&w.globex, path);
    }
    for (const char* path : {"/app/page.shtml", "/app/x/../page.shtml", "/old/page.shtml"}) {
        CHECK_EQUAL(app.site.get(nullptr, path).body, "[" + std::string(path) + "]");
    }
}

CLAIM(a_program_that_a_page_includes_takes_over_no_path_info_that_leads_behind_a_gate) {
    const World& w = world();
    Scripted app("<Directory \"/\">\nAcceptPathInfo On\n</Directory>\n" +
                 location("/app/info.cgi/acme", "MTLSAllow partner acme") +
                 location("/app/data/acme", "MTLSAllow partner acme"));
    app.site.httpd.write("htdocs/app/info.cgi",
                         "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\n%s\" \"$PATH_INFO\"\n");
    app.site.httpd.write("htdocs/app/text.html", "text");
    std::filesystem::copy(app.site.httpd.path("htdocs/app/info.cgi"), app.site.httpd.path("htdocs/app/data"));
    for (const char* name : {"info.cgi", "data"}) {
        std::filesystem::permissions(app.site.httpd.path("htdocs/app/" + std::string(name)),
                                     std::filesystem::perms(0755));
    }
    const std::string text = "<!--#include virtual=\"/app/text.html\" -->";
    app.site.httpd.write("htdocs/app/inner.shtml", "<!--#include virtual=\"/app/info.cgi\" -->");
    app.site.httpd.write("htdocs/app/include.shtml", text + "[<!--#include virtual=\"/app/info.cgi\" -->]");
    app.site.httpd.write("htdocs/app/exec.shtml", text + "[<!--#exec cgi=\"/app/info.cgi\" -->]");
    app.site.httpd.write("htdocs/app/typed.shtml", text + "[<!--#exec cgi=\"/app/data\" -->]");
    app.site.httpd.write("htdocs/app/nested.shtml", text + "[<!--#include virtual=\"/app/inner.shtml\" -->]");
    for (const char* page : {"include", "exec", "typed", "nested"}) {
        const std::string path = "/app/" + std::string(page) + ".shtml";
        for (const char* rest : {"", "/globex/keys"}) {
            check_equal(app.site.get(nullptr, path + rest).body, "text[" + std::string(rest) + "]", page, __FILE__,
                        __LINE__);
        }
        for (const char* rest : {"/acme/keys", "/acme%3b/keys", "/acme"}) {
            const Response got = app.site.get(&w.acme, path + rest);
            check(got.status == 200 && got.body.starts_with("text["), path + rest, __FILE__, __LINE__);
            check(got.body.find("acme") == std::string::npos, got.body, __FILE__, __LINE__);
        }
    }
    CHECK(
        app.site.httpd.wait_for_log("a backend may read it as '/app/info.cgi/acme/keys', which is behind <Location "));
    // Asked for itself, the gate decides.
    CHECK_EQUAL(app.site.get(&w.acme, "/app/info.cgi/acme/keys").body, "/acme/keys");
    CHECK_EQUAL(app.site.get(&w.globex, "/app/info.cgi/acme/keys").status, 403);
}

CLAIM(an_error_page_with_includes_is_shown_and_runs_no_program_for_a_denied_request) {
    const World& w = world();
    Scripted app("ErrorDocument 403 /app/sorry.shtml\n" + location("/app/acme", "MTLSAllow partner acme"));
    app.site.httpd.write("htdocs/app/text.html", "text");
    app.site.httpd.write("htdocs/app/sorry.shtml",
                         "sorry <!--#include virtual=\"/app/text.html\" --> <!--#include virtual=\"/api\" -->");
    for (const Identity* who : {static_cast<const Identity*>(nullptr), &w.globex}) {
        const Response got = app.site.get(who, "/app/acme/x");
        CHECK_EQUAL(got.status, 403);
        CHECK_CONTAINS(got.body, "sorry text ");
        CHECK(got.body.find("/app/acme/x") == std::string::npos);
    }
    CHECK(app.site.httpd.wait_for_log("reason=bad-path"));
}

CLAIM(a_backends_page_with_includes_shows_no_program_such_a_line_either) {
    Site site;
    site.load("proxy").load("proxy_http").load("include");
    site.vhost("ProxyPass /pages http://127.0.0.1:1/\nProxyPass /plain http://127.0.0.1:1/\n");
    site.start(location("/acme", "MTLSAllow partner acme") +
               location("/pages", "SetOutputFilter INCLUDES\nOptions +Includes"));
    const auto answers = [&](const char* path, int status) { CHECK_EQUAL(site.get(nullptr, path).status, status); };
    for (const char* path : {"/acme/../pages/x", "/acme/%2e%2e/pages/x"}) answers(path, 403);
    CHECK(site.httpd.wait_for_log("reason=bad-path"));
    for (const char* path : {"/x/../pages/x", "/pages/x", "/acme/../plain/x"}) answers(path, 503);
}
