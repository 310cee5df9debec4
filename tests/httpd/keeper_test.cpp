// What may happen to the process that looks at the files, and what requests get meanwhile.
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <sstream>

#include "claims.hpp"
#include "live_site.hpp"
#include "workers.hpp"

using namespace test;

namespace {

const std::string kBroken = "<MTLSPartner q>\nMTLSNonsense x\n</MTLSPartner>\n";

// A site with acme and globex, and a file that can refuse.
struct Kept : LiveSite {
    explicit Kept(const std::string& mpm = "event", const std::string& lines = "") {
        put("acme.conf", kAcme);
        put("globex.conf", kGlobex);
        httpd.write("revoked/list.conf", "# nobody\n");
        start(
            "MTLSRevocationFile revoked/list.conf\n<Location /status>\n SetHandler mtls-authz-status\n"
            " MTLSStatus On\n</Location>\n" +
                lines,
            mpm);
    }
    void refuse(const std::string& lines) const {
        httpd.write("revoked/.new", lines);
        fs::rename(httpd.path("revoked/.new"), httpd.path("revoked/list.conf"));
    }
    std::vector<pid_t> keepers() const { return httpd.keepers(); }
    pid_t keeper() const {
        for (int i = 0; i < 200; ++i) {
            const auto all = keepers();
            if (all.size() == 1) return all.front();
            pause_for(std::chrono::milliseconds(50));
        }
        throw std::runtime_error("there is not one keeper, but " + std::to_string(keepers().size()));
    }
    std::string metrics() const { return TlsClient(httpd.port(), as(world().acme)).get("/status").body; }
    int acme() const { return get(world().acme); }
    int globex() const { return get(world().globex); }
};

bool is_there(pid_t pid) { return kill(pid, 0) == 0; }

}  // namespace

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

CLAIM(a_keeper_that_is_killed_is_replaced_and_ends_no_refusal) {
    for (const char* mpm : {"event", "prefork"}) {
        Kept site(mpm);
        site.refuse("MTLSSuspend globex\n");
        becomes([&] { return site.globex(); }, 403, mpm);
        fs::remove(site.httpd.path("revoked/list.conf"));
        CHECK(site.httpd.wait_for_log("cannot be read"));
        for (int round = 0; round < 3; ++round) {
            const pid_t before = site.keeper();
            kill(before, SIGKILL);
            CHECK_EQUAL(site.acme() + site.globex(), 603);
            becomes([&] { return site.keeper() != before && is_there(site.keeper()); }, true, "another keeper");
            CHECK_EQUAL(site.acme() + site.globex(), 603);
        }
        CHECK(site.httpd.wait_for_log("the keeper has ended"));
        site.refuse("# nobody\n");
        becomes([&] { return site.globex(); }, 200, "an edit counts");
        site.refuse("MTLSSuspend acme\n");
        becomes([&] { return site.acme(); }, 403, "and another");
    }
}

CLAIM(while_the_keeper_is_stopped_children_keep_what_they_have_and_new_ones_refuse) {
    Kept site("event",
              "StartServers 2\nServerLimit 2\nThreadsPerChild 8\nMaxRequestWorkers 16\nMinSpareThreads 16\n"
              "MaxSpareThreads 16\n");
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    const pid_t stopped = site.keeper();
    kill(stopped, SIGSTOP);
    site.drop("globex.conf");
    pause_for(kTakesHold);
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    // New ones: nobody gets in, by whatever was in force when the server started.
    becomes([&] { return site.globex(); }, 403, "one that is out");
    for (int i = 0; i < 4; ++i) CHECK_EQUAL(site.globex(), 403);
    CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
    CHECK(site.httpd.wait_for_log("the keeper does not answer"));
    kill(stopped, SIGCONT);
    becomes([&] { return site.acme(); }, 200, "once it goes on");
    for (int i = 0; i < 4; ++i) CHECK_EQUAL(site.globex(), 403);
}

CLAIM(a_keeper_without_a_sign_of_life_is_ended_and_replaced) {
    Kept site;
    const pid_t stopped = site.keeper();
    kill(stopped, SIGSTOP);
    for (int i = 0; i < 600 && is_there(stopped); ++i) pause_for(std::chrono::milliseconds(100));
    CHECK(!is_there(stopped));
    CHECK_CONTAINS(site.httpd.error_log(), "the keeper has given no sign of life");
    CHECK(site.keeper() != stopped);
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "an edit counts");
    becomes([&] { return site.acme(); }, 200, "and hits no other");
}

CLAIM(the_keeper_ends_with_the_server_however_that_ends) {
    for (const int number : {SIGTERM, SIGKILL}) {
        Kept site;
        const pid_t keeper = site.keeper();
        const auto all = site.children();
        if (number == SIGTERM) {
            CHECK(site.httpd.stop());
        } else {
            kill(site.httpd.pid(), SIGKILL);
        }
        for (int i = 0; i < 100 && is_there(keeper); ++i) pause_for(std::chrono::milliseconds(50));
        CHECK(!is_there(keeper));
        for (const pid_t pid : all) kill(pid, SIGKILL);
    }
}

CLAIM(a_keeper_can_neither_be_traced_nor_holds_a_port) {
    Kept site;
    const std::string folder = "/proc/" + std::to_string(site.keeper());
    struct stat info {};
    CHECK_EQUAL(stat((folder + "/mem").c_str(), &info), 0);
    CHECK_EQUAL(info.st_uid, 0U);  // as the kernel shows processes that nobody may trace
    std::ifstream in(folder + "/status");
    std::stringstream status;
    status << in.rdbuf();
    if (getuid() == 0) CHECK(status.str().find("Uid:\t0\t0") == std::string::npos);
    // Of its sockets, none is among those of TCP.
    std::stringstream ports;
    for (const char* const table : {"/proc/net/tcp", "/proc/net/tcp6"}) ports << std::ifstream(table).rdbuf();
    const auto is_port = [&](const fs::path& descriptor) {
        std::error_code gone;
        const std::string target = fs::read_symlink(descriptor, gone).string();
        const std::size_t number = target.find("socket:[");
        return number != std::string::npos &&
               ports.str().find(" " + target.substr(8, target.size() - 9) + " ") != std::string::npos;
    };
    const auto holds_port = [&](pid_t pid) {
        const fs::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
        return std::any_of(fs::begin(all), fs::end(all), [&](const auto& entry) { return is_port(entry.path()); });
    };
    CHECK(holds_port(site.httpd.pid()));
    CHECK(!holds_port(site.keeper()));
}

CLAIM(restarts_with_a_broken_file_keep_the_last_good_policy_and_each_has_one_keeper) {
    Kept site;
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
