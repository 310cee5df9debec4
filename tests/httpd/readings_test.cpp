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
