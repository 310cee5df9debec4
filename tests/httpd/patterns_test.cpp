// A section whose regular expression gives up on a path is left out by httpd: no request passes for that.
#include "claims.hpp"
#include "echo_backend.hpp"
#include "world.hpp"

using namespace test;

CLAIM(an_expression_that_gives_up_on_a_path_opens_no_gate) {
    const World& w = world();
    Site site;
    const EchoBackend backend(site.httpd.next_port());
    site.load("proxy").load("proxy_http").vhost(backend.pass("/", ""));
    site.start(
        "<LocationMatch \"^/gate/(.*/)*admin(/|$)\">\nMTLSAllow partner acme\n</LocationMatch>\n"
        "<Location ~ \"^/req/(\\w+/*)*admin\">\nRequire mtls-partner acme\n</Location>\n"
        "<Location /outer>\nMTLSAllow any-partner\n</Location>\n"
        "<LocationMatch \"^/outer/([\\w-]+/?)*admin(/|$)\">\nMTLSAllow partner acme\n</LocationMatch>\n");
    std::string tail;
    for (int i = 0; i < 30; ++i) tail += "/a";
    const std::string letters(45, 'a');
    const std::string gave_up[] = {"/gate/admin" + tail, "/req/admin/" + letters + "-",
                                   "/outer/admin/" + letters + "."};
    for (const std::string& path : gave_up) {
        for (const Identity* who : {static_cast<const Identity*>(nullptr), &w.globex, &w.acme}) {
            check_equal(site.get(who, path).status, 403, path, __FILE__, __LINE__);
        }
    }
    CHECK(site.httpd.wait_for_log("reason=bad-path"));
    CHECK_CONTAINS(site.httpd.error_log(), "the regular expression of <LocationMatch ^/gate/(.*/)*admin(/|$)> at ");
    CHECK_EQUAL(site.get(nullptr, gave_up[0], "", "TRACE").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate/admin/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/admin/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/outer/admin/x").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/outer/x").status, 200);
    CHECK_EQUAL(site.get(nullptr, "/open" + tail).status, 200);
}
