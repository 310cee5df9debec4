// The process that looks at the files: there is one, whatever the server does.
#include <csignal>

#include "claims.hpp"
#include "kept_site.hpp"

using namespace test;

CLAIM(one_keeper_looks_for_all_under_every_mpm) {
    for (const char* mpm : {"event", "worker", "prefork"}) {
        Kept site(mpm);
        CHECK(site.keeper() > 0);
        CHECK_CONTAINS(site.metrics(), "mtls_authz_keeper_up 1");
        site.refuse("MTLSSuspend globex\n");
        becomes([&] { return site.globex(); }, 403, mpm);
        CHECK_EQUAL(site.acme(), 200);
        site.refuse("# nobody\n");
        becomes([&] { return site.globex(); }, 200, mpm);
        site.drop("globex.conf");
        becomes([&] { return site.globex(); }, 403, mpm);
        // An edit is one line, however many processes there are.
        CHECK_EQUAL(site.times(" replaces "), 1U);
        CHECK_EQUAL(site.times("in force by files: "), 2U);
    }
}

CLAIM(the_keeper_ends_with_the_server_however_that_ends) {
    for (const int number : {SIGTERM, SIGKILL}) {
        Kept site("event");
        const pid_t keeper = site.keeper();
        if (number == SIGTERM) {
            CHECK(site.httpd.stop());
        } else {
            kill(site.httpd.pid(), SIGKILL);
        }
        for (int i = 0; i < 100 && is_there(keeper); ++i) pause_for(std::chrono::milliseconds(50));
        CHECK(!is_there(keeper));
        if (number == SIGKILL) site.httpd.crash();
    }
}

CLAIM(restarts_with_a_broken_file_keep_the_last_good_policy_and_each_has_one_keeper) {
    Kept site("event");
    // What is in force is not what the server started with.
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    site.put("zz.conf", kBroken);
    CHECK(site.httpd.wait_for_log("the policy files are refused"));
    const pid_t server = site.httpd.pid();
    for (const int number : {SIGUSR1, SIGHUP, SIGUSR1}) {
        const pid_t before = site.keeper();
        site.httpd.restart(number);
        becomes([&] { return site.keepers().size() == 1 && site.keeper() != before; }, true, "another keeper");
        becomes([&] { return site.acme(); }, 200, "acme stays");
        CHECK_EQUAL(site.globex(), 403);
    }
    CHECK(is_there(server));
    CHECK_CONTAINS(site.httpd.error_log(), "zz.conf:2: ");
    becomes([&] { return site.metrics().find("policy_refused_timestamp_seconds 0\n") == std::string::npos; }, true,
            "the alarm goes on");
    site.put("zz.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "mended, it counts");
    CHECK_CONTAINS(site.metrics(), "policy_refused_timestamp_seconds 0\n");
}

CLAIM(last_good_starts_a_server_with_closed_gates_and_says_so) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("zz.conf", kBroken);
    site.configure("MTLSPolicyStart strict\n");
    CHECK(site.httpd.run({"-t"}).status != 0);
    site.configure("MTLSPolicyStart last-good\n");
    const auto tested = site.httpd.run({"-t"});
    CHECK_EQUAL(tested.status, 0);
    CHECK_CONTAINS(tested.text, "zz.conf:2: ");
    site.httpd.start();
    CHECK_EQUAL(site.get(world().acme), 403);
    CHECK_CONTAINS(site.httpd.error_log(), "reason=policy-unavailable");
    CHECK_EQUAL(site.get(world().acme, "/free/x"), 200);
    site.drop("zz.conf");
    becomes([&] { return site.get(world().acme); }, 200, "mended");
    CHECK_EQUAL(site.get(world().globex), 403);
}

CLAIM(last_good_starts_no_server_whose_sections_contradict_each_other) {
    for (const char* const later : {"MTLSAllow partner acme", "MTLSAllow any-partner"}) {
        LiveSite site;
        site.put("acme.conf", kAcme);
        site.put("zz.conf", kBroken);
        site.configure(
            "MTLSPolicyStart last-good\n<Location /free/deep>\n MTLSAllow partner acme\n</Location>\n"
            "<Location /free>\n " +
            std::string(later) + "\n</Location>\n");
        const auto tested = site.httpd.run({"-t"});
        const bool is_wider = later == std::string("MTLSAllow any-partner");
        CHECK_EQUAL(tested.status == 0, !is_wider);
        CHECK_CONTAINS(tested.text, "zz.conf:2: ");
        CHECK_CONTAINS(tested.text, "this later, shorter section replaces the gate of <Location /free/deep>");
    }
}

CLAIM(a_file_full_of_faults_is_some_lines_in_the_log_and_their_number) {
    Kept site("event");
    std::string rows;
    for (int i = 0; i < 300; ++i) rows += "acme;" + std::to_string(i) + ";x\n";
    site.refuse(rows);
    CHECK(site.httpd.wait_for_log("more like these"));
    CHECK_CONTAINS(site.httpd.error_log(), "280 more like these");
    CHECK_EQUAL(site.errors("revoked/list.conf"), 21U);
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.put("zz.conf", rows);
    CHECK(site.httpd.wait_for_log("the policy files are refused"));
    CHECK(site.errors("zz.conf") <= 22U);
}
