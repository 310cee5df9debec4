// What httpd looks up by a subrequest before it serves: an index, a variant. It is decided as what it will be.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kExemption = "<If \"%{REQUEST_METHOD} == 'OPTIONS'\">\nMTLSAuthz Off\n</If>\n";

}  // namespace

CLAIM(a_preflight_request_passes_to_a_folders_index) {
    const World& w = world();
    Site site;
    for (const char* folder : {"gated", "required", "denied"}) {
        site.httpd.write(std::string("htdocs/") + folder + "/index.html", "index");
        site.httpd.write(std::string("htdocs/") + folder + "/page.html", "page");
        site.httpd.write(std::string("htdocs/") + folder + "/none/x", "");
    }
    site.load("negotiation")
        .load("autoindex")
        .start("<Directory \"" + site.httpd.path("htdocs") +
               "\">\nOptions +MultiViews\nDirectoryIndex missing.html index.html\n</Directory>\n" +
               location("/gated", std::string("MTLSAllow partner acme\n") + kExemption) +
               location("/required", "<RequireAny>\nRequire method OPTIONS\nRequire mtls-partner acme\n</RequireAny>") +
               location("/denied", "MTLSAllow partner acme"));
    for (const std::string folder : {"/gated", "/required"}) {
        for (const std::string& path : {folder + "/", folder + "/index.html", folder + "/page"}) {
            test::check_equal(site.get(nullptr, path, "", "OPTIONS").status, 200, path, __FILE__, __LINE__);
            test::check_equal(site.get(nullptr, path).status, 403, path, __FILE__, __LINE__);
            test::check_equal(site.get(nullptr, path, "", "POST").status, 403, path, __FILE__, __LINE__);
            test::check_equal(site.get(nullptr, path, "", "HEAD").status, 403, path, __FILE__, __LINE__);
            test::check_equal(site.get(&w.acme, path).status, 200, path, __FILE__, __LINE__);
        }
        CHECK_EQUAL(site.get(nullptr, folder + "/none/", "", "OPTIONS").status / 100, 2);
    }
    CHECK_EQUAL(site.get(nullptr, "/denied/", "", "OPTIONS").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/denied/", "", "OPTIONS").status, 200);
}

CLAIM(an_index_is_decided_by_the_method_that_it_will_run_with) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/open/index.html", "index");
    site.httpd.write("htdocs/read/index.html", "index");
    site.start(location("/open/index.html",
                        "MTLSAllow partner acme\n<If \"%{REQUEST_METHOD} == 'GET'\">\nMTLSAuthz Off\n</If>") +
               location("/read/index.html", "MTLSAllow any-partner methods=read\nMTLSAllow partner acme"));
    CHECK_EQUAL(site.get(nullptr, "/open/").body, "index");
    CHECK_EQUAL(site.get(nullptr, "/open/", "", "POST").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/open/", "", "POST").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/read/").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/read/", "", "POST").status, 403);
    CHECK_EQUAL(site.reason_for("/read/index.html"), "method-not-granted");
    CHECK_EQUAL(site.get(&w.acme, "/read/", "", "POST").status, 200);
}

// An include is served by GET, whatever the page around it was asked with.
CLAIM(an_include_is_decided_by_get) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/page/p.html", "[<!--#include virtual=\"/secret/s.html\" -->]");
    site.httpd.write("htdocs/secret/s.html", "secret");
    site.load("include").start("<Location /page>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n" +
                               location("/secret",
                                        "MTLSAllow partner acme\n<If \"%{REQUEST_METHOD} == 'POST'\">\n"
                                        "MTLSAuthz Off\n</If>"));
    CHECK_EQUAL(site.get(&w.acme, "/page/p.html", "", "POST").body, "[secret]");
    CHECK(site.get(nullptr, "/page/p.html", "", "POST").body.find("secret") == std::string::npos);
}
