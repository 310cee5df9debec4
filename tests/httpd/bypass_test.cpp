// Ways around a gate that were found by trying. Each denial stands beside the nearest allow.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

CLAIM(satisfy_any_does_not_lift_a_gate) {
    Site site;
    site.load("access_compat").start(location("/gate", "Satisfy Any\nRequire all granted\nMTLSAllow partner acme"));
    CHECK_EQUAL(site.get(&world().globex, "/gate/1").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate/2").status, 403);
    CHECK_EQUAL(site.get(&world().acme, "/gate/3").status, 200);
}

CLAIM(satisfy_any_does_not_lift_require_mtls) {
    Site site;
    site.load("access_compat").start(location("/gate", "Satisfy Any\nAllow from all\nRequire mtls-partner acme"));
    CHECK_EQUAL(site.get(&world().globex, "/gate/1").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate/2").status, 403);
    CHECK_EQUAL(site.get(&world().acme, "/gate/3").status, 200);
}

CLAIM(redirects_inside_the_server_are_decided_where_they_lead) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/secret/index.html", "secret");
    site.httpd.write("htdocs/open/.htaccess", "RewriteEngine On\nRewriteRule ^in\\.html$ /secret/index.html\n");
    site.httpd.write("htdocs/open/in.html", "x");
    site.httpd.write("htdocs/act/page.act", "x");
    site.httpd.write("htdocs/secret/handler.html", "secret handler");
    site.load("rewrite").load("actions").start(
        "RewriteEngine On\nRewriteRule ^/pass$ /secret/index.html [PT]\nErrorDocument 404 /secret/index.html\n"
        "AddHandler actor .act\nAction actor /secret/handler.html\n<VirtualHost 127.0.0.1:1>\n</VirtualHost>\n" +
        location("/secret", "AcceptPathInfo On\nMTLSAllow partner acme"));
    for (const char* path : {"/secret/", "/open/in.html", "/act/page.act"}) {
        test::check_equal(site.get(&w.globex, path).status, 403, path, __FILE__, __LINE__);
        test::check_equal(site.get(&w.acme, path).status, 200, path, __FILE__, __LINE__);
    }
    const Response missing = site.get(&w.globex, "/nowhere");
    CHECK(missing.body.find("secret") == std::string::npos);
    CHECK_EQUAL(site.get(&w.acme, "/nowhere").body, "secret");
}

CLAIM(an_index_or_include_of_a_gated_place_is_decided) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/page/index.html", "a<!--#include virtual=\"/secret/part.html\" -->z");
    site.httpd.write("htdocs/secret/part.html", "secret");
    site.load("include").start(
        "<Location /page>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n"
        "<Directory \"" +
        site.httpd.path("htdocs/dir") +
        "\">\nDirectoryIndex /secret/part.html\n"
        "</Directory>\n" +
        location("/secret", "MTLSAllow partner acme"));
    site.httpd.write("htdocs/dir/x", "");
    CHECK_EQUAL(site.get(&w.acme, "/page/").body, "asecretz");
    CHECK(site.get(&w.globex, "/page/").body.find("secret") == std::string::npos);
    CHECK_EQUAL(site.get(&w.acme, "/dir/").body, "secret");
    CHECK_EQUAL(site.get(&w.globex, "/dir/").status, 403);
}

CLAIM(require_is_asserted_where_httpd_skips_authorization) {
    const World& w = world();
    Site site;
    // Page and part lie in one Location, so their merged configurations are equal and httpd authorizes the include no
    // more; only the provider, asked again, sees what is wrong with the part's path.
    site.httpd.write("htdocs/same/good.html", "a<!--#include virtual=\"/same/part.html\" -->z");
    site.httpd.write("htdocs/same/bad.html", "a<!--#include virtual=\"/same/p%01rt.html\" -->z");
    site.httpd.write("htdocs/same/part.html", "secret");
    site.httpd.write("htdocs/same/p\x01rt.html", "secret");
    site.load("include").start(
        "<Location /same>\nOptions +Includes\nSetOutputFilter INCLUDES\nRequire mtls-partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/same/good.html").body, "asecretz");
    CHECK(site.get(&w.acme, "/same/bad.html").body.find("secret") == std::string::npos);
    CHECK_EQUAL(site.get(&w.globex, "/same/good.html").status, 403);
}

CLAIM(dav_destinations_and_recursion_respect_gates) {
    const World& w = world();
    Site site;
    for (const char* folder : {"dav/src", "dav/dst", "dav/open/inner"}) {
        site.httpd.write(std::string("htdocs/") + folder + "/f.txt", "text");
    }
    // What httpd writes needs to be its own.
    CHECK_EQUAL(std::system(("mkdir -p " + site.httpd.path("htdocs/dav") + " && chmod -R a+rwX " +
                             site.httpd.path("htdocs/dav"))
                                .c_str()),
                0);
    site.load("dav").load("dav_fs").start(
        "DavLockDB htdocs/dav/.locks\n<Directory \"" + site.httpd.path("htdocs/dav") + "\">\nDav On\n</Directory>\n" +
        location("/dav/src", "MTLSAllow any-partner") + location("/dav/dst", "MTLSAllow partner acme") +
        location("/dav/reader", "MTLSAllow partner globex methods=read\nMTLSAllow partner acme") +
        location("/dav/open/inner", "MTLSAllow partner acme"));
    const std::string base = "Destination: https://localhost:" + std::to_string(site.httpd.port());
    CHECK_EQUAL(site.get(&w.globex, "/dav/src/f.txt", base + "/dav/dst/g.txt\r\n", "COPY").status / 100, 4);
    CHECK_EQUAL(site.get(&w.acme, "/dav/src/f.txt", base + "/dav/dst/g.txt\r\n", "COPY").status, 201);
    // Looked up with GET, but written to.
    CHECK_EQUAL(site.get(&w.globex, "/dav/src/f.txt", base + "/dav/reader\r\n", "COPY").status / 100, 4);
    // A parent takes its children along.
    CHECK_EQUAL(site.get(&w.globex, "/dav/open", base + "/dav/src/copy\r\n", "COPY").status, 403);
    CHECK_EQUAL(site.reason_for("/dav/open"), "nested-gate");
    CHECK_EQUAL(site.get(&w.globex, "/dav/open/", "", "DELETE").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/dav/open/", "Depth: 1\r\n", "PROPFIND").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/dav/open/", "Depth: 0\r\n", "PROPFIND").status, 207);
    CHECK_EQUAL(site.get(&w.acme, "/dav/open/inner/", "", "DELETE").status, 204);
}

CLAIM(a_method_that_cannot_reach_the_other_gate_is_not_refused_for_it) {
    const World& w = world();
    Site site;
    for (const char* file : {"dav/a.txt", "dav/b.txt", "dav/c.txt", "dav/full/inner/f.txt", "dav/plain/f.txt"}) {
        site.httpd.write(std::string("htdocs/") + file, "text");
    }
    site.httpd.write("htdocs/cgi/all.sh", "#!/bin/sh\necho\necho all\n");
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/dav") + " && chmod a+x " +
                             site.httpd.path("htdocs/cgi/all.sh"))
                                .c_str()),
                0);
    site.load("dav").load("dav_fs").load("cgi").start(
        "DavLockDB htdocs/dav/.locks\n<Directory \"" + site.httpd.path("htdocs/dav") +
        "\">\nDav On\n</Directory>\n<Directory \"" + site.httpd.path("htdocs/cgi") +
        "\">\nOptions +ExecCGI\nSetHandler cgi-script\n</Directory>\n" + location("/dav", "MTLSAllow any-partner") +
        location("/dav/full/inner", "MTLSAllow none") + location("/cgi/all.sh/inner", "MTLSAllow none") +
        "<LocationMatch \"^/e/(?<PARTNER>[^/(]+)/(a|b)\">\nMTLSAllow partner %{env:MATCH_PARTNER}\n</LocationMatch>\n"
        "<LocationMatch \"^/f/[](]|/deep/\">\nMTLSAllow none\n</LocationMatch>\n");
    const std::string to = "Destination: https://localhost:" + std::to_string(site.httpd.port()) + "/dav/";
    const auto ask = [&](const char* method, const char* path, const std::string& headers = "") {
        return site.get(&w.globex, path, headers, method).status;
    };
    CHECK_EQUAL(ask("COPY", "/dav/a.txt", to + "a2.txt\r\nDepth: 0\r\n"), 201);
    CHECK_EQUAL(ask("COPY", "/dav/plain/", to + "plain2\r\nDepth: 0\r\n"), 201);
    CHECK_EQUAL(ask("MOVE", "/dav/b.txt", to + "b2.txt\r\n"), 201);
    CHECK_EQUAL(ask("DELETE", "/dav/c.txt"), 204);
    CHECK_EQUAL(ask("PROPFIND", "/dav/a.txt"), 207);
    // A pattern that could fit below.
    CHECK_EQUAL(ask("DELETE", "/dav/plain/"), 403);
    // What is at the destination is deleted first.
    CHECK_EQUAL(ask("COPY", "/dav/a.txt", to + "full/\r\nDepth: 0\r\n") / 100, 4);
    CHECK_EQUAL(ask("MOVE", "/dav/a.txt", to + "full/\r\n") / 100, 4);
    CHECK_EQUAL(site.get(&w.globex, "/dav/full/inner/f.txt").status, 403);
    CHECK(file_text(site.httpd.path("htdocs/dav/full/inner/f.txt")) == "text");
    CHECK_EQUAL(ask("COPY", "/dav/a.txt", to + "full/\r\nOverwrite: F\r\n"), 412);
    // A script serves what it likes below itself.
    CHECK_EQUAL(site.get(&w.globex, "/cgi/all.sh").status, 200);
    CHECK_EQUAL(ask("DELETE", "/cgi/all.sh"), 403);
}

CLAIM(nothing_that_a_gate_decided_is_stored_in_a_cache) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/page/index.html",
                     std::string(20000, 'p') + "<!--#include virtual=\"/secret/part.html\" -->z");
    site.httpd.write("htdocs/secret/part.html", "secret");
    site.httpd.write("htdocs/secret/index.html", "secret index");
    site.httpd.write("htdocs/plain/a.html", "plain");
    site.httpd.write("htdocs/dir/x", "");
    site.httpd.write("htdocs/require/a.html", "secret");
    CHECK_EQUAL(std::system(("mkdir -m 777 " + site.httpd.path("cache")).c_str()), 0);
    site.load("include")
        .load("cache")
        .load("cache_disk")
        .start("CacheRoot \"" + site.httpd.path("cache") +
               "\"\nCacheEnable disk /\nCacheQuickHandler on\nCacheMinExpire 3600\n"
               "CacheIgnoreNoLastMod On\n<Location /page>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n"
               "<Directory \"" +
               site.httpd.path("htdocs/dir") + "\">\nDirectoryIndex /secret/part.html\n</Directory>\n" +
               location("/secret", "MTLSAllow partner acme") + location("/require", "Require mtls-partner acme"));
    for (const char* path :
         {"/secret/part.html", "/secret/", "/dir/", "/page/", "/page/index.html", "/require/a.html"}) {
        for (int i = 0; i < 3; ++i) CHECK_EQUAL(site.get(&w.acme, path).status, 200);
        test::check(site.get(&w.acme, path).body.find("secret") != std::string::npos, path, __FILE__, __LINE__);
        test::check(site.get(nullptr, path).body.find("secret") == std::string::npos, path, __FILE__, __LINE__);
        test::check(site.get(&w.globex, path).body.find("secret") == std::string::npos, path, __FILE__, __LINE__);
    }
    // The cache does work: a page without a gate is served from it though its file has gone.
    for (int i = 0; i < 3; ++i) CHECK_EQUAL(site.get(nullptr, "/plain/a.html").body, "plain");
    CHECK_EQUAL(std::system(("rm " + site.httpd.path("htdocs/plain/a.html")).c_str()), 0);
    CHECK_EQUAL(site.get(nullptr, "/plain/a.html").body, "plain");
}

CLAIM(other_spellings_of_a_path_lead_to_the_same_gate) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/docs/secret/a.html", "secret");
    site.start("AllowEncodedSlashes NoDecode\n" + location("/docs/secret", "MTLSAllow partner acme"));
    for (const char* path :
         {"/docs/secret/a.html", "//docs//secret/a.html", "/docs/./secret/a.html", "/x/../docs/secret/a.html",
          "/%64ocs/secret/a.html", "/docs/%73ecret/a.html", "/docs/secret//a.html", "/docs/%2e/secret/a.html",
          "/docs/x/%2e%2e/secret/a.html", "/docs%2Fsecret/a.html", "/docs/SECRET/a.html", "/docs/secret/a.html/"}) {
        const Response other = site.get(&w.globex, path);
        test::check(other.status >= 400 && other.body.find("secret\n") == std::string::npos && other.body != "secret",
                    path, __FILE__, __LINE__);
    }
    CHECK_EQUAL(site.get(&w.acme, "//docs//secret/a.html").body, "secret");
}

CLAIM(segments_that_backends_read_as_dots_are_refused_behind_and_before_gates) {
    const World& w = world();
    Site site;
    site.start("AllowEncodedSlashes NoDecode\n" + location("/gate/globex", "MTLSAllow partner globex") +
               location("/gate/acme", "MTLSAllow partner acme"));
    for (const char* path : {"/gate/globex/..;/acme/x", "/gate/globex/..;a=b/acme/x", "/gate/globex/%2e%2e;/acme/x",
                             "/gate/globex/..%3b/acme/x", "/gate/globex/%252e%252e/acme/x", "/gate/globex/..%5cacme/x",
                             "/gate/globex/..%2facme/x", "/gate/globex/.%252e%252facme/x", "/gate/globex/a%0ab",
                             "/free/..;/gate/acme/x", "/free/%252e%252e;/gate/acme/x"}) {
        test::check_equal(site.get(&w.globex, path).status / 100, 4, path, __FILE__, __LINE__);
    }
    CHECK(site.httpd.wait_for_log("reason=bad-path"));
    CHECK_EQUAL(site.get(&w.globex, "/gate/globex/v;a=b/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/globex/..x/y").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/free/v;a=b/x").status, 200);
}

CLAIM(sni_of_one_virtual_host_and_host_of_another_pass_neither_gate) {
    const World& w = world();
    Site site;
    site.vhost(
        "</VirtualHost>\n<VirtualHost 127.0.0.1:" + std::to_string(site.httpd.port()) +
        ">\nServerName other.example\nSSLEngine on\nSSLCertificateFile server.pem\nSSLCertificateKeyFile server.pem\n"
        "SSLCACertificateFile client-cas.pem\nSSLVerifyClient optional\n<Location /gate>\nMTLSAllow partner globex\n"
        "</Location>");
    site.start(location("/gate", "MTLSAllow partner acme"));
    ClientOptions options;
    options.identity = &w.acme;
    TlsClient client(site.httpd.port(), options);
    CHECK_EQUAL(client.get("/gate/1").status, 200);
    CHECK(client.get("/gate/2", "Host: other.example\r\n").status >= 400);
    options.server_name = "other.example";
    TlsClient other(site.httpd.port(), options);
    CHECK_EQUAL(other.get("/gate/3").status, 403);
    options.identity = &w.globex;
    TlsClient globex(site.httpd.port(), options);
    CHECK_EQUAL(globex.get("/gate/4").status, 200);
}

CLAIM(plain_http_is_refused_for_want_of_tls) {
    Site site;
    site.start("<VirtualHost 127.0.0.1:" + std::to_string(site.httpd.plain_port()) +
               ">\nServerName localhost\n</VirtualHost>\n" + location("/gate", "MTLSAllow any-partner"));
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/gate/1").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/1"), "no-tls");
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/free/1").status, 200);
}

CLAIM(trace_is_refused_where_a_gate_applies) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/dir/a.html", "a");
    site.start("TraceEnable on\n<Directory \"" + site.httpd.path("htdocs/dir") +
               "\">\nMTLSAllow partner acme\n</Directory>\n" + location("/gate", "MTLSAllow partner acme") +
               location("/require", "Require mtls-partner acme") +
               location("/known", "AuthType MTLS\nRequire user acme"));
    for (const char* path : {"/gate/1", "/dir/a.html", "/require/x", "/known/x"}) {
        test::check_equal(site.get(&w.globex, path, "", "TRACE").status, 403, path, __FILE__, __LINE__);
    }
    CHECK_EQUAL(site.get(&w.globex, "/free/x", "", "TRACE").status, 200);
}

CLAIM(method_override_headers_are_removed_behind_a_gate_that_names_methods) {
    Site site;
    site.httpd.write("htdocs/show/vars.html", "<!--#echo var=\"HTTP_X_HTTP_METHOD_OVERRIDE\" -->");
    site.load("include").start(
        "<Location /show>\nOptions +Includes\nSetOutputFilter INCLUDES\nMTLSAllow any-partner methods=read\n"
        "</Location>\n");
    const Response seen = site.get(&world().acme, "/show/vars.html", "X-HTTP-Method-Override: DELETE\r\n");
    CHECK_EQUAL(seen.body, "(none)");
}

CLAIM(a_certificate_asked_for_per_location_is_decided_on) {
    const World& w = world();
    Site site;
    site.tls("SSLVerifyClient none").vhost("<Location /gate>\nSSLVerifyClient optional\n</Location>");
    site.start(location("/gate", "MTLSAllow partner acme"));
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ClientOptions options;
        options.tls = tls;
        options.post_handshake_auth = true;
        options.identity = &w.acme;
        const std::string tag = std::to_string(tls);
        TlsClient acme(site.httpd.port(), options);
        CHECK_EQUAL(acme.get("/free/" + tag).status, 200);
        CHECK_EQUAL(acme.get("/gate/a" + tag).status, 200);
        CHECK_EQUAL(acme.get("/gate/b" + tag).status, 200);
        options.identity = &w.globex;
        TlsClient globex(site.httpd.port(), options);
        CHECK_EQUAL(globex.get("/free/" + tag).status, 200);
        CHECK_EQUAL(globex.get("/gate/c" + tag).status, 403);
        CHECK_EQUAL(site.reason_for("/gate/c" + tag), "not-allowed");
    }
}

CLAIM(require_is_not_reached_around_from_an_ungated_place) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/dav/inner/f.txt", "text");
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/dav")).c_str()), 0);
    site.load("dav").load("dav_fs").start("DavLockDB htdocs/dav/.locks\n<Directory \"" + site.httpd.path("htdocs/dav") +
                                          "\">\nDav On\n</Directory>\n" +
                                          location("/dav/inner", "Require mtls-partner acme"));
    CHECK_EQUAL(site.get(&w.globex, "/free/..;/dav/inner/f.txt").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/free/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/dav/", "", "DELETE").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/dav/inner/f.txt").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/dav/inner/f.txt", "", "DELETE").status, 204);
}

namespace {

// A WebDAV folder `htdocs/dav` with these files, whose sections are `lines`; `@` is its path. DirectorySlash is Off, so
// that a folder answers without a slash too.
struct DavSite {
    Site site;
    DavSite(const std::vector<std::string>& files, std::string lines) {
        for (const std::string& file : files) site.httpd.write("htdocs/dav/" + file, "text");
        CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/dav")).c_str()), 0);
        for (std::size_t at = lines.find('@'); at != std::string::npos; at = lines.find('@')) {
            lines.replace(at, 1, site.httpd.path("htdocs/dav"));
        }
        site.load("dav").load("dav_fs").start("DirectorySlash Off\nDavLockDB htdocs/dav/.locks\n<Directory \"" +
                                              site.httpd.path("htdocs/dav") +
                                              "\">\nDav On\nDavDepthInfinity on\n</Directory>\n" + lines);
    }
    bool has(const std::string& file) const { return file_text(site.httpd.path("htdocs/dav/" + file)) == "text"; }
    int ask(const Identity* who, const char* method, const std::string& path, const std::string& to = "",
            const std::string& headers = "") {
        const std::string base = "Destination: https://localhost:" + std::to_string(site.httpd.port());
        return site.get(who, path, (to.empty() ? "" : base + to + "\r\n") + headers, method).status;
    }
    void refuses(const Identity* who, const char* method, const std::string& path, const std::string& to = "") {
        check_equal(ask(who, method, path, to), 403, method + path, __FILE__, __LINE__);
        check_equal(site.reason_for(path), "nested-gate", method + path, __FILE__, __LINE__);
    }
};

}  // namespace

CLAIM(gates_in_files_and_if_sections_are_reached_by_no_recursive_method) {
    const World& w = world();
    const std::string any = "<Directory \"@\">\nMTLSAllow any-partner\n</Directory>\n";
    const std::string files = "<Files \"*.secret\">\nMTLSAllow partner acme\n</Files>\n";
    const std::string decided_by_if = "<If \"%{REQUEST_URI} =~ /secret/\">\nMTLSAllow partner acme\n</If>\n";
    for (const std::string& lines :
         {any + files, any + "<FilesMatch \"secret$\">\nRequire mtls-partner acme\n</FilesMatch>\n",
          any + decided_by_if, any + "<Directory \"@\">\n" + files + "</Directory>\n",
          any + "<Directory \"@/d/e\">\n" + files + "</Directory>\n",
          location("/dav", "MTLSAllow any-partner\n" + decided_by_if)}) {
        DavSite dav({"d/e/f.secret", "d/g.txt", "other/h.txt"}, lines);
        CHECK_EQUAL(dav.ask(&w.globex, "GET", "/dav/d/e/f.secret"), 403);
        dav.refuses(&w.globex, "COPY", "/dav/d/", "/dav/copy");
        dav.refuses(&w.globex, "DELETE", "/dav/d");
        dav.refuses(&w.globex, "PROPFIND", "/dav/");
        CHECK(dav.has("d/e/f.secret"));
        CHECK_EQUAL(dav.ask(&w.globex, "PROPFIND", "/dav/d/", "", "Depth: 0\r\n"), 207);
        CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/d/g.txt"), 204);
    }
    // Where the section's own place is elsewhere, it decides nothing here.
    DavSite dav({"d/f.secret", "other/h.txt"}, any + "<Directory \"@/d\">\n" + files + "</Directory>\n");
    CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/other/"), 204);
    dav.refuses(&w.globex, "DELETE", "/dav/d/");
    // A Location is merged later: its rules replace those of <Files>, but not what that denies.
    const std::string location_of_all = location("/dav", "MTLSAllow any-partner");
    DavSite open({"d/f.secret"}, location_of_all + files);
    CHECK_EQUAL(open.ask(&w.globex, "GET", "/dav/d/f.secret"), 200);
    CHECK_EQUAL(open.ask(&w.globex, "DELETE", "/dav/d/"), 204);
    DavSite closed({"d/f.secret"}, location_of_all + "<Files \"*.secret\">\nMTLSDeny partner globex\n</Files>\n");
    CHECK_EQUAL(closed.ask(&w.globex, "GET", "/dav/d/f.secret"), 403);
    closed.refuses(&w.globex, "DELETE", "/dav/d/");
}

CLAIM(a_folder_named_without_its_slash_is_above_the_gates_in_it) {
    const World& w = world();
    const std::string any = location("/dav", "MTLSAllow any-partner");
    for (const std::string& below :
         {location("/dav/d/", "MTLSAllow partner acme"), location("\"/dav/d/*/\"", "MTLSAllow partner acme"),
          location("~ \"^/dav/d/acme/\"", "MTLSAllow partner acme"),
          std::string(
              "<LocationMatch \"^/dav/d/(?<WHO>[^/]+)/\">\nMTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n"),
          std::string("<LocationMatch \"^/dav/d/[^/]+/\">\nRequire mtls-partner acme\n</LocationMatch>\n")}) {
        DavSite dav({"d/acme/f", "out/f"}, any + below);
        for (const char* method : {"DELETE", "PROPFIND", "LOCK", "REPORT"}) dav.refuses(&w.globex, method, "/dav/d");
        dav.refuses(&w.globex, "COPY", "/dav/d", "/dav/out/c");
        dav.refuses(&w.globex, "MOVE", "/dav/d", "/dav/out/m");
        CHECK_EQUAL(dav.ask(&w.globex, "COPY", "/dav/out", "/dav/d") / 100, 4);
        check(dav.has("d/acme/f"), below, __FILE__, __LINE__);
        CHECK_EQUAL(dav.ask(&w.globex, "PROPFIND", "/dav/d", "", "Depth: 0\r\n"), 207);
        CHECK_EQUAL(dav.ask(&w.globex, "COPY", "/dav/out", "/dav/copied"), 201);
        CHECK_EQUAL(dav.ask(&w.acme, "DELETE", "/dav/d/acme/"), 204);
    }
}

CLAIM(a_folder_of_the_file_system_is_above_the_directory_gates_in_it) {
    const World& w = world();
    for (const char* section :
         {"<DirectoryMatch \"^@/d/(?<WHO>[^/]+)\">\nMTLSAllow partner %{env:MATCH_WHO}\n</DirectoryMatch>\n",
          "<DirectoryMatch \"^@/d/acme/\">\nMTLSAllow partner acme\n</DirectoryMatch>\n",
          "<Directory \"@/d/*/\">\nMTLSAllow partner acme\n</Directory>\n"}) {
        DavSite dav({"d/acme/f", "out/f"},
                    std::string("<Directory \"@\">\nMTLSAllow any-partner\n</Directory>\n") + section);
        dav.refuses(&w.globex, "DELETE", "/dav/d");
        dav.refuses(&w.globex, "COPY", "/dav/d", "/dav/out/c");
        check(dav.has("d/acme/f"), section, __FILE__, __LINE__);
        CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/out"), 204);
    }
    // httpd ends the path of a <Directory> with a slash, but the folder is not above its own section.
    DavSite own({"d/f"}, "<Directory \"@/d\">\nMTLSAllow partner acme\n</Directory>\n" +
                             location("/dav/d", "MTLSAllow any-partner"));
    CHECK_EQUAL(own.ask(&w.globex, "DELETE", "/dav/d"), 204);
}

CLAIM(a_section_with_authtype_mtls_is_a_gate_below) {
    const World& w = world();
    DavSite nested({"d/acme/f", "l/acme/f", "e/f", "o/basic/f"},
                   location("/dav", "MTLSAllow any-partner") +
                       location("/dav/d/acme", "AuthType MTLS\nRequire user acme") +
                       location("/dav/l/acme", "<Limit DELETE>\nAuthType MTLS\nRequire user acme\n</Limit>") +
                       location("/dav/o/basic", "AuthType None\nRequire all granted"));
    nested.refuses(&w.globex, "DELETE", "/dav/d/");
    nested.refuses(&w.globex, "COPY", "/dav/d", "/dav/e/c");
    nested.refuses(&w.globex, "DELETE", "/dav/l/");
    CHECK(nested.has("d/acme/f"));
    CHECK_EQUAL(nested.ask(&w.globex, "DELETE", "/dav/o/"), 204);
    CHECK_EQUAL(nested.ask(&w.globex, "DELETE", "/dav/e/"), 204);
    CHECK_EQUAL(nested.ask(&w.globex, "DELETE", "/dav/d/acme/"), 403);
    CHECK_EQUAL(nested.ask(&w.acme, "DELETE", "/dav/d/acme/"), 204);
}

CLAIM(a_section_that_authorizes_here_too_is_no_other_gate_below) {
    const World& w = world();
    for (const char* asks : {"AuthType MTLS\nRequire valid-user", "Require mtls-any-partner"}) {
        DavSite dav({"globex/sub/f", "acme/f"}, "<LocationMatch \"^/dav/\">\n" + std::string(asks) +
                                                    "\n</LocationMatch>\n<LocationMatch \"^/dav/(?<WHO>[^/]+)/\">\n"
                                                    "MTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n");
        CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/globex/sub/"), 204);
        CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/acme/"), 403);
        dav.refuses(&w.globex, "DELETE", "/dav/");
        CHECK(dav.has("acme/f"));
    }
    DavSite opened({"x/acme/f"},
                   "<LocationMatch \"^/dav/x/\">\nRequire mtls-partner acme\n</LocationMatch>\n"
                   "<LocationMatch \"^/dav/x/$\">\nAuthType MTLS\nRequire valid-user\n</LocationMatch>\n");
    opened.refuses(&w.globex, "DELETE", "/dav/x/");
    CHECK(opened.has("x/acme/f"));
}

CLAIM(one_section_whose_captures_are_others_below_is_a_gate_below) {
    const World& w = world();
    DavSite deep({"globex/files/acme/files/f", "globex/files/own/f"},
                 "<LocationMatch \"^/dav/(?:.*/)?(?<WHO>[^/]+)/files/\">\nMTLSAllow partner %{env:MATCH_WHO}\n"
                 "</LocationMatch>\n");
    CHECK_EQUAL(deep.ask(&w.globex, "GET", "/dav/globex/files/acme/files/f"), 403);
    deep.refuses(&w.globex, "DELETE", "/dav/globex/files/");
    CHECK(deep.has("globex/files/acme/files/f"));
    CHECK_EQUAL(deep.ask(&w.globex, "DELETE", "/dav/globex/files/own/f"), 204);
    DavSite denied({"a/acme/f"}, location("/dav", "MTLSAllow any-partner") +
                                     "<LocationMatch \"^/dav/(?:.*/)?(?<WHO>[^/]+)/f?\">\nMTLSAllow any-partner\n"
                                     "MTLSDeny partner %{env:MATCH_WHO}\n</LocationMatch>\n");
    denied.refuses(&w.acme, "DELETE", "/dav/a/");
    // A capture at the beginning of the path has the same value below.
    for (const char* regex :
         {"^/dav/(?<WHO>[^/]+)/", "^/dav/(?<WHO>[^/]+)(/.*)?$", "^/dav/(?<WHO>acme|globex)(?:/|$)"}) {
        DavSite own({"globex/sub/f", "acme/f"}, "<LocationMatch \"" + std::string(regex) +
                                                    "\">\nMTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n");
        check_equal(own.ask(&w.globex, "DELETE", "/dav/globex/sub/"), 204, regex, __FILE__, __LINE__);
        CHECK_EQUAL(own.ask(&w.globex, "DELETE", "/dav/acme/"), 403);
    }
}

CLAIM(no_handler_runs_for_a_subrequest_that_was_denied) {
    const World& w = world();
    Site site;
    for (const char* file : {"dav/f", "log/f", "out/f"}) site.httpd.write(std::string("htdocs/") + file, "precious");
    site.httpd.write("pw", "joe:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n");  // "x"
    const std::string form =
        "AuthType form\nAuthName r\nAuthFormProvider file\nAuthUserFile pw\nRequire valid-user\nSession On\n"
        "SessionCookieName s path=/\nKeptBodySize 10000";
    for (const char* m : {"authn_file", "session", "session_cookie", "request", "auth_form", "dav", "dav_fs"})
        site.load(m);
    site.start(
        "DavLockDB htdocs/dav/.locks\n" + location("/dav", "Dav On\nMTLSAllow partner acme methods=GET,POST\n" + form) +
        location("/log", "Dav On\nMTLSAuthz LogOnly\nMTLSAllow none\n" + form) + location("/out", "Dav On\n" + form));
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs")).c_str()), 0);
    const auto post = [&](const std::string& path, const std::string& more) {
        return site
            .get(&w.acme, path, "Content-Type: application/x-www-form-urlencoded\r\n", "POST",
                 "httpd_username=joe&httpd_password=x" + more)
            .status;
    };
    const std::string to_delete = "&httpd_method=DELETE&httpd_body=a&httpd_mimetype=text/plain";
    post("/dav/f", to_delete);
    CHECK_EQUAL(file_text(site.httpd.path("htdocs/dav/f")), "precious");
    CHECK(site.httpd.wait_for_log("reason=method-not-granted"));
    post("/dav/new", "&httpd_method=PUT&httpd_body=a&httpd_mimetype=text/plain");
    CHECK_EQUAL(file_text(site.httpd.path("htdocs/dav/new")), "");
    // What no gate denies is served as ever.
    CHECK_EQUAL(site.get(&w.acme, "/dav/f").status, 401);
    for (const char* file : {"log/f", "out/f"}) {
        post(std::string("/") + file, to_delete);
        check_equal(file_text(site.httpd.path(std::string("htdocs/") + file)), "", file, __FILE__, __LINE__);
    }
}
