// Gates that name their partner by a capture: what this request's own match captured, and nothing inherited.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kPlaces[] = {"acme", "globex", "shared"};

bool holds(const Response& response, const std::string& text) { return response.body.find(text) != std::string::npos; }

}  // namespace

CLAIM(a_group_that_takes_no_part_keeps_nothing_of_the_request_around_it) {
    const World& w = world();
    Site site;
    for (const std::string place : kPlaces) {
        site.httpd.write("htdocs/d/" + place + "/s.html", place + " content");
        site.httpd.write("htdocs/d/globex/" + place + ".shtml",
                         "[<!--#include virtual=\"/d/" + place + "/s.html\" -->]");
    }
    site.vhost(
        "RewriteEngine On\nRewriteRule ^/d/globex/jump$ /d/shared/s.html [PT]\n"
        "RewriteRule ^/d/globex/stay$ /d/globex/s.html [PT]\n");
    site.load("include").load("rewrite").start(
        "<Directory \"" + site.httpd.path("htdocs") +
        "\">\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>\n"
        "<LocationMatch \"^/d/(?:(?<WHO>acme|globex)|shared)/\">\nMTLSAllow partner \"%{env:MATCH_WHO}\"\n"
        "</LocationMatch>\n");
    CHECK_EQUAL(site.get(&w.globex, "/d/shared/s.html").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/d/acme/s.html").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/d/globex/s.html").status, 200);
    CHECK(holds(site.get(&w.globex, "/d/globex/globex.shtml"), "globex content"));
    CHECK(!holds(site.get(&w.globex, "/d/globex/shared.shtml"), "shared content"));
    CHECK(!holds(site.get(&w.globex, "/d/globex/acme.shtml"), "acme content"));
    CHECK_EQUAL(site.reason_for("/d/shared/s.html"), "not-allowed");
    // httpd matches before and after a path is rewritten.
    CHECK(!holds(site.get(&w.globex, "/d/globex/jump"), "shared content"));
    CHECK(holds(site.get(&w.globex, "/d/globex/stay"), "globex content"));
}

CLAIM(a_denial_by_a_capture_is_not_weakened_by_the_request_around_it) {
    const World& w = world();
    Site site;
    for (const std::string place : kPlaces) {
        site.httpd.write("htdocs/n/" + place + "/s.html", place + " content");
        site.httpd.write("htdocs/n/acme/" + place + ".shtml", "[<!--#include virtual=\"/n/" + place + "/s.html\" -->]");
    }
    site.load("include").start("<Directory \"" + site.httpd.path("htdocs/n") +
                               "\">\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>\n"
                               "<LocationMatch \"^/n/(?:(?<NOT>acme|globex)|shared)/\">\nMTLSAllow any-partner\n"
                               "MTLSDeny partner \"%{env:MATCH_NOT}\"\n</LocationMatch>\n");
    // What has no value denies everybody.
    CHECK_EQUAL(site.get(&w.globex, "/n/shared/s.html").status, 403);
    CHECK(holds(site.get(&w.globex, "/n/acme/acme.shtml"), "acme content"));
    CHECK(!holds(site.get(&w.globex, "/n/acme/shared.shtml"), "shared content"));
    CHECK(!holds(site.get(&w.globex, "/n/acme/globex.shtml"), "globex content"));
}

CLAIM(a_destination_is_matched_by_its_own_path) {
    const World& w = world();
    Site site;
    for (const std::string place : kPlaces) site.httpd.write("htdocs/dav/" + place + "/f", place);
    CHECK_EQUAL(std::system(("chmod -R a+rwX " + site.httpd.path("htdocs/dav")).c_str()), 0);
    site.load("dav").load("dav_fs").start(
        "DavLockDB htdocs/dav/.locks\n<Directory \"" + site.httpd.path("htdocs/dav") +
        "\">\nDav On\n</Directory>\n<LocationMatch \"^/dav/(?:(?<WHO>acme|globex)|shared)/\">\n"
        "MTLSAllow partner \"%{env:MATCH_WHO}\"\n</LocationMatch>\n");
    const std::string base = "Destination: https://localhost:" + std::to_string(site.httpd.port()) + "/dav/";
    const auto status = [&](const char* method, const std::string& to) {
        return site.get(&w.globex, "/dav/globex/f", base + to + "\r\n", method).status;
    };
    for (const char* method : {"COPY", "MOVE"}) {
        for (const char* to : {"shared/x", "shared/f", "acme/x"})
            test::check_equal(status(method, to) / 100, 4, std::string(method) + " " + to, __FILE__, __LINE__);
    }
    CHECK_EQUAL(file_text(site.httpd.path("htdocs/dav/shared/f")), "shared");
    CHECK_EQUAL(file_text(site.httpd.path("htdocs/dav/shared/x")), "");
    CHECK_EQUAL(status("COPY", "globex/g"), 201);
}

CLAIM(another_section_captures_nothing_for_this_one) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/two/acme/globex", "x");
    site.httpd.write("htdocs/two/globex/acme", "x");
    site.start(
        "<LocationMatch \"^/two/(?<WHO>[^/]+)/\">\nMTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n"
        "<LocationMatch \"^/two/[^/]+/(?<WHO>[^/]+)\">\nHeader set X-Seen yes\n</LocationMatch>\n"
        "<Location /gate>\nMTLSAllow partner %{env:MATCH_ELSE}\n</Location>\n"
        "<LocationMatch \"^/gate/(?<ELSE>[^/]+)/\">\nHeader set X-Seen yes\n</LocationMatch>\n");
    CHECK_EQUAL(site.get(&w.globex, "/two/acme/globex").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/two/acme/globex").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/acme/x").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/acme/x"), "not-allowed");
}

CLAIM(sections_of_every_kind_capture) {
    const World& w = world();
    Site site;
    for (const std::string place : kPlaces) {
        for (const std::string kind : {"dir", "tilde", "if"})
            site.httpd.write("htdocs/" + kind + "/" + place + "/a.html", "x");
        site.httpd.write("htdocs/file/" + place + ".txt", "x");
    }
    const std::string port = std::to_string(site.httpd.plain_port());
    const std::string rule = "\">\nMTLSAllow partner %{env:MATCH_WHO}\n";
    site.load("proxy")
        .load("proxy_http")
        .start("<DirectoryMatch \"^" + site.httpd.path("htdocs/dir") + "/(?<who>[a-z]+)" + rule +
               "</DirectoryMatch>\n" + "<Directory \"" + site.httpd.path("htdocs/file") +
               "\">\n<FilesMatch \"^(?P<WHO>[a-z]+)\\.txt$" + rule +
               "</FilesMatch>\n</Directory>\n<Location ~ \"^/tilde/(?'WHO'[a-z]+)/" + rule + "</Location>\n" +
               "<LocationMatch \"^/if/(?<WHO>[a-z]+)/\">\n<If \"true\">\nMTLSAllow partner %{env:MATCH_WHO}\n</If>\n"
               "</LocationMatch>\n<ProxyMatch \"^http://127\\.0\\.0\\.1:" +
               port + "/free/(?<WHO>[a-z]+)" + rule + "</ProxyMatch>\nProxyPass /back http://127.0.0.1:" + port +
               "/free\n");
    for (const std::string place : kPlaces) {
        for (const std::string& path : {"/dir/" + place + "/a.html", "/file/" + place + ".txt",
                                        "/tilde/" + place + "/a.html", "/if/" + place + "/a.html", "/back/" + place}) {
            test::check_equal(site.get(&w.acme, path).status, place == "acme" ? 200 : 403, path, __FILE__, __LINE__);
            test::check_equal(site.get(&w.globex, path).status, place == "globex" ? 200 : 403, path, __FILE__,
                              __LINE__);
        }
    }
}
