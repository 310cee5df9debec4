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

CLAIM(what_a_gate_lets_by_for_some_is_not_cached_for_others) {
    const World& w = world();
    Site site;
    for (const char* name : {"lifted", "conditional"})
        site.httpd.write("htdocs/" + std::string(name) + "/a.html", "secret");
    CHECK_EQUAL(std::system(("mkdir -m 777 " + site.httpd.path("cache")).c_str()), 0);
    site.load("cache")
        .load("cache_disk")
        .start(
            "CacheRoot \"" + site.httpd.path("cache") +
            "\"\nCacheEnable disk /\nCacheQuickHandler on\nCacheMinExpire 3600\nCacheIgnoreNoLastMod On\n" +
            location("/lifted", "MTLSAllow partner acme\n<If \"req_novary('X-In') == 'yes'\">\nMTLSAuthz Off\n</If>") +
            location("/conditional", "<If \"req_novary('X-In') != 'yes'\">\nMTLSAllow partner acme\n</If>"));
    for (const char* path : {"/lifted/a.html", "/conditional/a.html"}) {
        for (int i = 0; i < 3; ++i) CHECK_EQUAL(site.get(nullptr, path, "X-In: yes\r\n").body, "secret");
        CHECK_EQUAL(site.get(nullptr, path).status, 403);
        CHECK_EQUAL(site.get(&w.globex, path).status, 403);
        CHECK_EQUAL(site.get(&w.acme, path).status, 200);
    }
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
