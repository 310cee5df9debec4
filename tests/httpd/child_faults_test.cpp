// Faults of children: they die, live briefly or run out of descriptors, and answer no request wrongly.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"
#include "workers.hpp"

using namespace test;

CLAIM(random_deaths_under_load_answer_no_request_wrongly) {
    Kept site("event", "StartServers 3\nServerLimit 4\nThreadsPerChild 8\nMaxRequestWorkers 32\n");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    std::atomic<int> wrong{0}, asked{0};
    Workers clients;
    const auto load = [&](const Identity& who, int right) {
        while (!clients.are_over()) {
            const int status = site.get(who);
            // 0: its child died. 403 for acme: a new child whose keeper has not answered yet.
            if (status != right && status != 0 && status != 403) ++wrong;
            if (right == 403 && status == 200) ++wrong;
            ++asked;
        }
    };
    clients.add([&] { load(world().acme, 200); });
    clients.add([&] { load(world().globex, 403); });
    for (int i = 0; i < 12; ++i) {
        auto all = site.children();
        for (const pid_t pid : site.keepers()) all.push_back(pid);
        if (!all.empty()) kill(all[static_cast<std::size_t>(i * 7) % all.size()], SIGKILL);
        pause_for(std::chrono::milliseconds(700));
    }
    clients.stop();
    CHECK_EQUAL(wrong.load(), 0);
    CHECK(asked > 100);
    becomes([&] { return site.acme(); }, 200, "all is well again");
    CHECK_EQUAL(site.globex(), 403);
}

CLAIM(children_that_live_for_five_connections_answer_as_their_siblings) {
    for (const char* mpm : {"event", "worker", "prefork"}) {
        Kept site(mpm, "MaxConnectionsPerChild 5\n");
        site.drop("globex.conf");
        becomes([&] { return site.globex(); }, 403, "globex is out");
        Load load(site);
        for (int i = 0; i < 3; ++i) {
            load.wait_for(40);
            site.put("acme.conf", kAcme + "# " + std::to_string(i) + "\n" +
                                      partner("more" + std::to_string(i),
                                              "MTLSIdentity CN:x" + std::to_string(i) + "\nMTLSTrustAnchor acme.pem"));
        }
        CHECK(site.httpd.wait_for_log(": added more"));
        load.wait_for(40);
        load.stop();
        load.check(0);
    }
}

CLAIM(one_process_that_does_all_takes_edits_on) {
    Kept site;
    site.run("event", "", {"env"});  // httpd -X
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "suspended");
    site.drop("acme.conf");
    becomes([&] { return site.acme(); }, 403, "removed");
}

CLAIM(a_server_without_free_descriptors_lets_in_nobody_wrongly_and_goes_on_when_it_has_some, Turn::kAny,
      Module::kPlain) {
    Kept site;
    site.httpd.set_limit(RLIMIT_NOFILE, 48);
    site.run("event", "StartServers 1\nServerLimit 1\nThreadsPerChild 64\nMaxRequestWorkers 64\n");
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    {
        std::vector<std::unique_ptr<TlsClient>> held;
        for (int i = 0; i < 20; ++i) {
            held.push_back(std::make_unique<TlsClient>(site.httpd.port(), as(world().acme)));
            if (!held.back()->connected()) break;
        }
        std::vector<int> waiting;
        for (int i = 0; i < 40; ++i) waiting.push_back(connect_to(site.httpd.port()));
        site.refuse("MTLSSuspend globex\n");
        site.drop("globex.conf");
        pause_for(kTakesHold);
        for (const int socket : waiting) close(socket);
    }
    becomes([&] { return site.globex(); }, 403, "suspended, and removed");
    becomes([&] { return site.acme(); }, 200, "served");
}

CLAIM(a_child_without_a_free_descriptor_refuses_until_it_can_take_what_is_in_force, Turn::kAny, Module::kPlain) {
    Kept site;
    // A page that opens no file.
    const auto without_htaccess = [](const std::string& folder) {
        return "<Directory \"" + folder + "\">\n AllowOverride None\n</Directory>\n";
    };
    site.run("event", "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n" +
                          without_htaccess("/") + without_htaccess(site.httpd.path("htdocs")) +
                          "<Location /gate/page>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n");
    TlsClient acme(site.httpd.port(), as(world().acme)), globex(site.httpd.port(), as(world().globex));
    CHECK_EQUAL(acme.get("/gate/page").status + globex.get("/gate/page").status, 400);
    const pid_t child = site.children().front();
    set_limit(child, RLIMIT_NOFILE, 3);
    CHECK_EQUAL(acme.get("/gate/page").status + globex.get("/gate/page").status, 400);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return globex.get("/gate/page").status; }, 403, "it is behind");
    CHECK_EQUAL(acme.get("/gate/page").status, 403);
    CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
    CHECK_EQUAL(site.errors("the revocations in force cannot be used (no descriptor is free: ulimit -n)"), 1U);
    CHECK_EQUAL(site.errors("cannot be used"), 1U);
    set_limit(child, RLIMIT_NOFILE, {});
    becomes([&] { return acme.get("/gate/page").status; }, 200, "it has some");
    CHECK_EQUAL(globex.get("/gate/page").status, 403);
}
