// Faults of the keeper: when it is killed, stopped or runs into a limit, the policy in force stays in force.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"
#include "lists.hpp"

using namespace test;

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
    // The new children deny every request: they do not use the policy with which the server started.
    becomes([&] { return site.globex(); }, 403, "one that is out");
    for (int i = 0; i < 4; ++i) CHECK_EQUAL(site.globex(), 403);
    CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
    CHECK(site.httpd.wait_for_log("the keeper does not answer"));
    kill(stopped, SIGCONT);
    becomes([&] { return site.acme(); }, 200, "once it goes on");
    for (int i = 0; i < 4; ++i) CHECK_EQUAL(site.globex(), 403);
}

CLAIM(a_keeper_without_a_sign_of_life_is_ended_and_replaced) {
    Kept site("event");
    const pid_t stopped = site.keeper();
    kill(stopped, SIGSTOP);
    for (int i = 0; i < 600 && is_there(stopped); ++i) pause_for(std::chrono::milliseconds(100));
    CHECK(!is_there(stopped));
    CHECK_CONTAINS(site.httpd.error_log(), "the keeper sent no heartbeat");
    CHECK(site.keeper() != stopped);
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "an edit counts");
    becomes([&] { return site.acme(); }, 200, "and hits no other");
}

namespace {

// How often a process began to wait: each signal that interrupts a wait begins another one.
long waits_of(pid_t pid) {
    const std::string status = file_text("/proc/" + std::to_string(pid) + "/status");
    const std::string label = "\nvoluntary_ctxt_switches:";
    const std::size_t at = status.find(label);
    return at == std::string::npos ? -1 : std::stol(status.substr(at + label.size()));
}

}  // namespace

CLAIM(a_child_that_is_late_is_asked_to_end_once_and_its_timeouts_go_on) {
    Kept alone;
    alone.run("prefork", "", {"env"});  // httpd -X: its one child is the keeper's parent
    alone.drop("globex.conf");
    Kept site("prefork", "StartServers 2\nServerLimit 4\nMaxRequestWorkers 4\nTimeout 300\n");
    TlsClient held(site.httpd.port(), as(world().acme));
    CHECK(held.connected());
    const std::vector<pid_t> before = site.children();
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "an edit");
    // The one that waits for a request is late, and asked after a minute.
    pause_for(std::chrono::seconds(64));
    const auto waits = [&] {
        long out = 0;
        for (const pid_t pid : before) out += waits_of(pid);
        return out;
    };
    const long first = waits();
    pause_for(std::chrono::seconds(4));
    const long more = waits() - first;
    test::check(more < 4, std::to_string(more) + " waits", __FILE__, __LINE__);
    CHECK_EQUAL(held.get("/gate/x").status, 200);
    CHECK_EQUAL(site.acme() + site.globex(), 603);
    CHECK_EQUAL(alone.acme() + alone.globex(), 603);
}

CLAIM(a_keeper_can_neither_be_traced_nor_holds_a_port) {
    Kept site("event");
    const std::string folder = "/proc/" + std::to_string(site.keeper());
    struct stat info {};
    CHECK_EQUAL(stat((folder + "/mem").c_str(), &info), 0);
    // root owns the /proc files of a process that other processes of its user cannot trace.
    CHECK_EQUAL(info.st_uid, 0U);
    if (getuid() == 0) CHECK(file_text(folder + "/status").find("Uid:\t0\t0") == std::string::npos);
    if (getuid() != 0) return;  // none but root may look at its descriptors
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

CLAIM(a_keeper_that_runs_into_a_limit_keeps_what_is_in_force_and_goes_on_when_it_can, Turn::kAny, Module::kPlain) {
    struct Row {
        const char* what;
        __rlimit_resource resource;
        rlim_t value;
        const char* said;
    };
    const Row rows[] = {{"descriptors", RLIMIT_NOFILE, 3, "Too many open files"},
                        {"memory", RLIMIT_AS, 1, "cannot be"},
                        {"file size", RLIMIT_FSIZE, 1UL << 20, "cannot be shared"}};
    for (const Row& row : rows) {
        Kept site("event");
        const pid_t keeper = site.keeper();
        // One without its threads would end, and another one begin.
        const fs::path threads = "/proc/" + std::to_string(keeper) + "/task";
        constexpr int kThreads = 5;
        becomes([&] { return std::distance(fs::directory_iterator(threads), {}) >= kThreads; }, true, "threads");
        pause_for(kTakesHold);  // the C library ends a process without room for the variables of a thread that begins
        set_limit(keeper, row.resource, row.value);
        site.put("globex.conf", many_identities(50000));
        test::check(site.httpd.wait_for_log(row.said), std::string(row.what) + ": " + site.httpd.error_log(), __FILE__,
                    __LINE__);
        CHECK_EQUAL(site.acme() + site.globex(), 400);
        // Refusals have room, or wait until they have.
        site.refuse("MTLSSuspend acme\n");
        pause_for(kTakesHold);
        set_limit(keeper, row.resource, {});
        becomes([&] { return site.globex(); }, 403, row.what);
        becomes([&] { return site.acme(); }, 403, row.what);
        CHECK_EQUAL(site.keeper(), keeper);
    }
}

CLAIM(a_keeper_without_descriptors_takes_nothing_away, Turn::kAny, Module::kPlain) {
    CrlSpec spec;
    spec.revoked.push_back({&world().globex, -1});
    const std::string list = make_crl(world().globex_ca, spec);
    Kept site;
    site.httpd.write("crls/globex.crl", list);
    site.httpd.write("revoked/more.conf", "MTLSSuspend acme\n");
    site.run("event", "MTLSCRLFile crls/*.crl\nMTLSRevocationFile revoked/m*.conf\n");
    CHECK_EQUAL(site.acme() + site.globex(), 806);
    const pid_t keeper = site.keeper();
    pause_for(kTakesHold);
    set_limit(keeper, RLIMIT_NOFILE, 3);
    // Each file and folder is looked at anew.
    for (const char* const name : {"crls/globex.crl", "revoked/more.conf", "revoked/list.conf"})
        site.httpd.write(name, file_text(site.httpd.path(name)) + "\n");
    site.httpd.write("crls/none.txt", "");
    site.put("acme.conf", kAcme + "# another\n");
    CHECK(site.httpd.wait_for_log("Too many open files"));
    for (int i = 0; i < 2; ++i) stays([&] { return site.acme() + site.globex(); }, 806, "what was in force");
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    becomes([&] { return site.get(world().acme, "/free/x"); }, 200, "a new child");
    CHECK_EQUAL(site.acme() + site.globex(), 806);
    site.httpd.write("revoked/more.conf", "# nobody\n");
    set_limit(keeper, RLIMIT_NOFILE, {});
    becomes([&] { return site.acme(); }, 200, "an edit");
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(site.keeper(), keeper);
}

CLAIM(a_restart_that_cannot_share_what_is_new_says_what_holds) {
    std::string lines;
    for (int i = 0; i < 20000; ++i) lines += "MTLSRevoke CN:client-number-" + std::to_string(i) + "\n";
    for (const bool has_refusals : {false, true}) {
        Kept site("event");
        if (has_refusals) {
            site.refuse("MTLSSuspend globex\n");
            becomes([&] { return site.globex(); }, 403, "a refusal");
        }
        constexpr rlim_t kLittle = 512UL << 10;
        const rlimit little{kLittle, RLIM_INFINITY};
        set_limit(site.keeper(), RLIMIT_FSIZE, kLittle);
        CHECK_EQUAL(prlimit(site.httpd.pid(), RLIMIT_FSIZE, &little, nullptr), 0);
        site.refuse((has_refusals ? "MTLSSuspend globex\n" : "") + lines + "MTLSSuspend acme\n");
        site.httpd.graceful();
        const std::string kept = has_refusals ? "what was in force stays so"
                                              : "the policy from before the restart stays in force, without them";
        CHECK(site.httpd.wait_for_log("the revocations could not be read ("));
        CHECK(site.httpd.wait_for_log("): " + kept));
        if (!has_refusals) {
            CHECK(site.httpd.wait_for_log("the policy is refused: the one from before the restart stays in force"));
        }
        const auto status_of = [&](const Identity& who) {
            return TlsClient(site.httpd.port(), as(who)).get("/gate/x").status;
        };
        stays([&] { return status_of(world().acme); }, 200, kept.c_str());
        CHECK_EQUAL(status_of(world().globex), has_refusals ? 403 : 200);
        CHECK(site.httpd.error_log().find("closed") == std::string::npos);
        set_limit(site.keeper(), RLIMIT_FSIZE, {});
        becomes([&] { return status_of(world().acme); }, 403, "there is room");
        CHECK_EQUAL(status_of(world().globex), has_refusals ? 403 : 200);
    }
}

CLAIM(a_keeper_whose_log_is_at_a_limit_of_file_size_goes_on) {
    Kept site("event");
    const pid_t keeper = site.keeper();
    set_limit(keeper, RLIMIT_FSIZE, 1);
    site.put("zz.conf", kBroken);
    pause_for(kTakesHold);
    set_limit(keeper, RLIMIT_FSIZE, {});
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "a refusal");
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.keeper(), keeper);
}

CLAIM(what_httpd_conf_refuses_counts_once_there_is_memory_again, Turn::kAny, Module::kPlain) {
    std::string many;
    for (int i = 0; i < 6000; ++i) {
        const std::string n = std::to_string(i);
        many += partner("p" + n, "MTLSIdentity CN:p" + n + ".partner-number-" + n + ".example DNS:a" + n +
                                     ".example.org\nMTLSTrustAnchor acme.pem");
    }
    for (const unsigned room : {7U, 8U, 9U}) {
        Kept site;
        site.put("many.conf", many);
        site.run("prefork");
        CHECK_EQUAL(site.acme() + site.globex(), 400);
        std::ofstream(site.httpd.path("httpd.conf"), std::ios::app)
            << "MTLSRevoke sha256:" + hex_sha256(world().acme) + "\n";
        const pid_t server = site.httpd.pid();
        const auto status_file = [&] { return file_text("/proc/" + std::to_string(server) + "/status"); };
        const std::string status = status_file();
        const rlim_t used = std::stoul(status.substr(status.find("VmSize:") + 7)) * 1024;
        const rlimit little{used + (rlim_t{room} << 20), RLIM_INFINITY};
        rlimit before{};
        CHECK_EQUAL(prlimit(server, RLIMIT_AS, &little, &before), 0);
        kill(server, SIGUSR1);
        pause_for(std::chrono::milliseconds(1500));
        // Too little for mod_ssl: httpd ends.
        if (status_file().find("State:\tZ") != std::string::npos) continue;
        CHECK_EQUAL(prlimit(server, RLIMIT_AS, &before, nullptr), 0);
        const auto status_of = [&](const Identity& who) {
            TlsClient client(site.httpd.port(), as(who));
            return client.connected() ? client.get("/gate/x").status : 0;
        };
        becomes([&] { return status_of(world().globex); }, 200, "there is a keeper again");
        becomes([&] { return status_of(world().acme); }, 403, "the new line counts");
    }
}

CLAIM(while_what_is_in_force_cannot_be_handed_out_new_children_refuse, Turn::kAny, Module::kPlain) {
    Kept site("event", "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n");
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    // Enough for its own files, and fewer than are in sockets of its user.
    set_limit(site.keeper(), RLIMIT_NOFILE, 100);
    Hog hog(200);
    site.refuse("MTLSSuspend globex\n");
    CHECK(site.httpd.wait_for_log("what is in force cannot be handed out to the children"));
    CHECK_CONTAINS(site.metrics(), "mtls_authz_keeper_up 0");
    CHECK_CONTAINS(site.metrics(), "{trouble=\"keeper-down\"} 1\n");
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    becomes([&] { return site.acme(); }, 403, "a new child");
    CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
    stays([&] { return site.globex(); }, 403, "a new child");
    hog.end();
    becomes([&] { return site.acme(); }, 200, "it can");
    CHECK_EQUAL(site.globex(), 403);
    CHECK_CONTAINS(site.metrics(), "mtls_authz_keeper_up 1");
    CHECK_EQUAL(site.errors("what is in force cannot be handed out"), 1U);
}
