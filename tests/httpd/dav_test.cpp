// Gates and WebDAV: destinations, and recursive methods above another gate. Each denial stands beside the nearest
// allow.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

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
    CHECK_EQUAL(site.reason_for("/dav/dst/g.txt"), "not-allowed");
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
    // COPY and MOVE delete the destination first, with all that is below it.
    CHECK_EQUAL(ask("COPY", "/dav/a.txt", to + "full/\r\nDepth: 0\r\n") / 100, 4);
    CHECK_EQUAL(ask("MOVE", "/dav/a.txt", to + "full/\r\n") / 100, 4);
    CHECK_EQUAL(site.get(&w.globex, "/dav/full/inner/f.txt").status, 403);
    CHECK(file_text(site.httpd.path("htdocs/dav/full/inner/f.txt")) == "text");
    CHECK_EQUAL(ask("COPY", "/dav/a.txt", to + "full/\r\nOverwrite: F\r\n"), 412);
    // A script serves what it likes below itself.
    CHECK_EQUAL(site.get(&w.globex, "/cgi/all.sh").status, 200);
    CHECK_EQUAL(ask("DELETE", "/cgi/all.sh"), 403);
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
    // A section inside of another <Directory> does not apply here.
    DavSite dav({"d/f.secret", "other/h.txt"}, any + "<Directory \"@/d\">\n" + files + "</Directory>\n");
    CHECK_EQUAL(dav.ask(&w.globex, "DELETE", "/dav/other/"), 204);
    dav.refuses(&w.globex, "DELETE", "/dav/d/");
    // Nor beside a folder whose name begins alike.
    DavSite beside({"d/f.secret", "dx/h.txt"}, any + "<Directory \"@/d\">\n" + files + "</Directory>\n");
    CHECK_EQUAL(beside.ask(&w.globex, "DELETE", "/dav/dx/"), 204);
    beside.refuses(&w.globex, "DELETE", "/dav/d/");
    // A Location is merged after <Files>: it replaces the allow rules, and adds to the deny rules.
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
                       location("/dav/l/acme", "AuthType MTLS\n<Limit DELETE>\nRequire user acme\n</Limit>") +
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

CLAIM(what_subversion_serves_of_a_whole_repository_passes_no_gate_below) {
    const World& w = world();
    Site site;
    for (const char* file : {"svn/!svn/rvr/1/globex/f", "svn/globex/f", "svn/pub/!svnx/f", "whole/!svn/rvr/1/globex/f"})
        site.httpd.write(std::string("htdocs/") + file, "text");
    site.load("dav").start(site.httpd.load_dav_as_svn() + "DavLockDB logs/locks\n" + location("/svn", "DAV svn") +
                           location("/svn/globex", "MTLSAllow partner globex") +
                           location("/svn/acme", "Require mtls-partner acme") +
                           location("/whole", "DAV svn\nMTLSAllow partner globex"));
    for (const Identity* who : {&w.acme, &w.globex, static_cast<const Identity*>(nullptr)}) {
        for (const char* path : {"/svn/!svn/rvr/1/globex/f", "/svn/%21svn/rvr/1/globex/f", "/svn/!svn"}) {
            check_equal(site.get(who, path).status, 403, path, __FILE__, __LINE__);
        }
        CHECK_EQUAL(site.get(who, "/svn/!svn/me", "Depth: 0\r\n", "REPORT").status, 403);
        CHECK_EQUAL(site.get(who, "/svn/pub/!svnx/f").status, 200);
        CHECK_EQUAL(site.get(who, "/svn/globex/f").status, who == &w.globex ? 200 : 403);
        CHECK_EQUAL(site.get(who, "/whole/!svn/rvr/1/globex/f").status, who == &w.globex ? 200 : 403);
    }
    CHECK_EQUAL(site.reason_for("/svn/!svn/rvr/1/globex/f"), "nested-gate");
}
