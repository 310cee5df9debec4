// What a gate decides does not depend on the order of LoadModule: RHEL loads the module after mod_proxy, Debian before.
#include <filesystem>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "world.hpp"

using namespace test;

namespace {

// Runs `body` with the module loaded last, and with the module loaded first.
template <class Body>
void in_each_order(Body body) {
    for (const bool is_first : {false, true}) {
        Site site;
        if (is_first) site.httpd.load_module_first();
        body(site);
    }
}

}  // namespace

CLAIM(an_index_that_a_backend_serves_is_decided_by_its_method_in_each_load_order) {
    const World& w = world();
    in_each_order([&](Site& site) {
        EchoBackend backend(site.httpd.next_port());
        for (const char* folder : {"index", "fallback"}) {
            site.httpd.write("htdocs/" + std::string(folder) + "/x", "");
        }
        site.load("proxy")
            .load("proxy_http")
            .start(location("/app", "MTLSAllow partner acme methods=GET") +
                   location("/req", "<RequireAll>\nRequire mtls-partner acme\nRequire method GET\n</RequireAll>") +
                   location("/index", "DirectoryIndex /app/front") +
                   location("/fallback", "DirectoryIndex disabled\nFallbackResource /req/front") +
                   backend.pass("/app") + backend.pass("/req"));
        for (const char* path : {"/index/", "/fallback/none", "/app/front", "/req/front"}) {
            CHECK_EQUAL(site.get(&w.acme, path).status, 200);
            CHECK_EQUAL(site.get(&w.globex, path).status, 403);
            for (const char* method : {"POST", "DELETE"}) {
                test::check_equal(site.get(&w.acme, path, "", method).status, 403, path, __FILE__, __LINE__);
            }
        }
    });
}

CLAIM(trace_of_a_gated_place_of_a_backend_is_refused_in_each_load_order) {
    const World& w = world();
    in_each_order([&](Site& site) {
        EchoBackend backend(site.httpd.next_port());
        site.load("proxy")
            .load("proxy_http")
            .start("TraceEnable on\n" + location("/app", "MTLSAllow partner acme\nMTLSForward partner=X-Partner") +
                   "<Proxy " + backend.url() + "/front>\nMTLSAllow partner acme\n</Proxy>\n" + backend.pass("/app") +
                   backend.pass("/front") + backend.pass("/free"));
        for (const char* fields : {"", "Max-Forwards: 0\r\n"}) {
            for (const char* path : {"/app/x", "/front/x"}) {
                CHECK_EQUAL(site.get(nullptr, path, fields, "TRACE").status, 403);
                CHECK_EQUAL(site.get(&w.acme, path, fields, "TRACE").status, 403);
                CHECK_EQUAL(site.get(&w.acme, path).status, 200);
            }
            CHECK_EQUAL(site.get(nullptr, "/free/x", fields, "TRACE").status, 200);
        }
    });
}

CLAIM(a_program_that_mod_rewrite_chooses_reads_the_path_as_written_in_each_load_order) {
    const World& w = world();
    in_each_order([&](Site& site) {
        const std::string program = site.httpd.path("htdocs/app/run");
        site.httpd.write("htdocs/app/run", "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\n$REQUEST_URI\"\n");
        site.httpd.write("htdocs/app/page", "page");
        std::filesystem::permissions(program, std::filesystem::perms::owner_exec | std::filesystem::perms::others_exec,
                                     std::filesystem::perm_options::add);
        site.vhost("RewriteEngine On\nRewriteRule ^/app/run$ - [H=cgi-script]\n")
            .load("cgi")
            .load("rewrite")
            .start("<Directory \"" + site.httpd.path("htdocs") + "\">\nOptions +ExecCGI\n</Directory>\n" +
                   location("/app/acme", "MTLSAllow partner acme"));
        CHECK_EQUAL(site.get(nullptr, "/app/run").body, "/app/run");
        CHECK_EQUAL(site.get(nullptr, "/app/acme/../page").body, "page");
        CHECK_EQUAL(site.get(nullptr, "/app/acme/../run").status, 403);
        CHECK_EQUAL(site.get(&w.globex, "/app/acme/../run").status, 403);
    });
}

CLAIM(no_module_names_the_user_of_authtype_mtls_in_any_load_order) {
    const World& w = world();
    in_each_order([&](Site& site) {
        site.httpd.write("htdocs/known/page", "page");
        site.httpd.write("htdocs/other/page", "page");
        site.httpd.write("user.lua",
                         "require 'apache2'\nfunction name(r)\n  r.user = 'acme'\n  return apache2.OK\nend\n");
        site.load("lua").start("LuaHookCheckUserID " + site.httpd.path("user.lua") + " name\n" +
                               location("/known", "AuthType MTLS\nRequire user acme") +
                               location("/other", "AuthType Basic\nAuthName x\nRequire user acme"));
        CHECK_EQUAL(site.get(&w.acme, "/known/page").status, 200);
        CHECK_EQUAL(site.get(&w.globex, "/known/page").status, 403);
        CHECK_EQUAL(site.get(nullptr, "/known/page").status, 403);
        CHECK_EQUAL(site.get(nullptr, "/other/page").status, 200);
    });
}
