// Restarts under load, and memory: inside a real httpd, under valgrind.
#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>

#include "claims.hpp"
#include "waiting.hpp"
#include "workers.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kGates = R"(
<Location /gate>
    MTLSAllow partner acme methods=read
    MTLSDeny group customers
    MTLSEnv All
</Location>
<LocationMatch "^/free/(?<PARTNER>[^/]+)/">
    MTLSAllow partner %{env:MATCH_PARTNER}
</LocationMatch>
<Location /require>
    <RequireAll>
        Require mtls-partner acme
        Require mtls-identity CN:api
    </RequireAll>
</Location>
)";

}  // namespace

CLAIM(fifty_graceful_restarts_under_load_fail_no_request_and_grow_nothing, Turn::kFirst) {
    Site site;
    site.start(kGates);
    std::atomic<int> wrong{0};
    std::atomic<int> asked{0};
    Workers clients;
    const auto load = [&](const Identity& who, int expected) {
        while (!clients.are_over()) {
            TlsClient client(site.httpd.port(), as(who));
            // One request a connection: whether a kept-alive one survives a restart is httpd's business.
            const Response response = client.get("/gate/x", "Connection: close\r\n");
            if (response.status != expected) ++wrong;
            ++asked;
        }
    };
    clients.add([&] { load(world().acme, 200); });
    clients.add([&] { load(world().globex, 403); });
    const auto restart = [&] {
        const int before = asked;
        site.httpd.graceful();
        while (asked < before + 12 && !clients.are_over()) pause_for(std::chrono::milliseconds(5));
        pause_for(std::chrono::milliseconds(150));
    };
    for (int i = 0; i < 10; ++i) restart();
    const long early = resident_kib(site.httpd.pid());
    for (int i = 0; i < 40; ++i) restart();
    const long late = resident_kib(site.httpd.pid());
    clients.stop();
    CHECK_EQUAL(wrong.load(), 0);
    CHECK(asked > 600);
    test::check(late < early + early / 10 + 1024,
                "grew from " + std::to_string(early) + " to " + std::to_string(late) + " KiB", __FILE__, __LINE__);
    CHECK_EQUAL(site.httpd.unclaimed_errors({"mtls_authz: denied"}).size(), 0U);
}

CLAIM(valgrind_finds_no_error_and_no_leak_in_the_module, Turn::kFirst) {
    const World& w = world();
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.httpd.configure(
        "AliasMatch ^/(gate|free|require)/ \"" + site.httpd.path("htdocs/ok.html") + "\"\n" + World::policy() + kGates,
        "prefork");
    const std::string report = site.httpd.path("logs/valgrind.%p");
    site.httpd.write("logs/x", "");
    CHECK_EQUAL(std::system(("chmod 777 " + site.httpd.path("logs")).c_str()), 0);
    site.httpd.start({"valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
                      "--keep-debuginfo=yes", "--num-callers=30", "--log-file=" + report});
    for (int i = 0; i < 10; ++i) {
        ClientOptions options;
        options.identity = i % 2 == 0 ? &w.acme : &w.malformed;
        options.tls = i % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        const int expected = i % 2 == 0 ? 200 : 403;
        SslSessionPtr session;
        {
            // One process serves one connection at a time: this one has to be gone before the next.
            TlsClient client(site.httpd.port(), options);
            for (const char* path : {"/gate/x", "/free/acme/x", "/require/x"}) {
                test::check_equal(client.get(path).status, expected, path, __FILE__, __LINE__);
            }
            CHECK_EQUAL(client.get("/gate/..;/x").status, 403);
            session = client.session();
        }
        TlsClient again(site.httpd.port(), options, session.get());
        CHECK_EQUAL(again.get("/gate/y").status, expected);
    }
    CHECK(site.httpd.wait_for_log("granted GET"));
    site.httpd.stop();
    std::string all;
    CHECK_EQUAL(
        std::system(("cat " + site.httpd.path("logs") + "/valgrind.* > " + site.httpd.path("logs/all")).c_str()), 0);
    all = file_text(site.httpd.path("logs/all"));
    CHECK_CONTAINS(all, "ERROR SUMMARY");
    test::check(all.find("mtls") == std::string::npos || all.find("mod_mtls_authz.so") == std::string::npos, all,
                __FILE__, __LINE__);
}
