// The table of faults: what may happen to the processes of a server, its files and its limits, and what requests get
// meanwhile. No wrong answer that lets in, the server serves, and the log says why.
#include <fcntl.h>
#include <pwd.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "claims.hpp"
#include "kept_site.hpp"
#include "workers.hpp"

using namespace test;

namespace {

// Clients that ask all the while: acme, who is a partner, and globex, who is none.
class Load {
public:
    explicit Load(const Kept& site) : site_(site) {
        clients_.add([this] { ask(world().acme, true); });
        clients_.add([this] { ask(world().globex, false); });
    }
    // Waits until so many more were asked.
    void wait_for(int more) const {
        for (const int before = asked_; asked_ < before + more && !clients_.are_over();)
            pause_for(std::chrono::milliseconds(5));
    }
    void stop() { clients_.stop(); }
    int asked() const { return asked_; }
    int let_in_wrongly() const { return let_in_; }
    int refused_wrongly() const { return refused_; }
    int failed() const { return failed_; }
    // Where a new process had no answer from the keeper yet, it refuses, and says so.
    void check(int most_failed) const {
        CHECK_EQUAL(let_in_.load(), 0);
        test::check(failed_ <= most_failed, std::to_string(failed_) + " requests failed", __FILE__, __LINE__);
        CHECK(refused_ == 0 || site_.times("reason=policy-unavailable") > 0);
    }

private:
    void ask(const Identity& who, bool is_partner) {
        while (!clients_.are_over()) {
            // One request a connection: whether a kept-alive one survives a restart is httpd's business.
            const int status = TlsClient(site_.httpd.port(), as(who)).get("/gate/x", "Connection: close\r\n").status;
            if (status != 200 && status != 403) ++failed_;
            if (status == 200 && !is_partner) ++let_in_;
            if (status == 403 && is_partner) ++refused_;
            ++asked_;
        }
    }

    const Kept& site_;
    std::atomic<int> asked_{0}, let_in_{0}, refused_{0}, failed_{0};
    Workers clients_;
};

int number_from(const char* name, int otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::atoi(text) : otherwise;
}

// A file system in memory at a folder of the server; empty where it cannot be mounted.
class Mounted {
public:
    Mounted(std::string at, const std::string& options) : at_(std::move(at)) {
        fs::create_directories(at_);
        is_mounted_ = mount("none", at_.c_str(), "tmpfs", 0, options.c_str()) == 0;
        if (!is_mounted_) std::printf("left out: only root mounts\n");
    }
    ~Mounted() { end(); }
    explicit operator bool() const { return is_mounted_; }
    void end() {
        if (std::exchange(is_mounted_, false)) umount2(at_.c_str(), MNT_DETACH);
    }

private:
    std::string at_;
    bool is_mounted_;
};

// Sets the soft limit of another process of the server, as the user that it runs as.
void set_limit(pid_t pid, __rlimit_resource resource, std::optional<rlim_t> value) {
    const pid_t child = fork();
    if (child == 0) {
        const passwd* const nobody = getpwnam("nobody");
        rlimit limit{};
        const bool is_root = geteuid() == 0;
        if (is_root && (nobody == nullptr || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)) _exit(1);
        if (prlimit(pid, resource, nullptr, &limit) != 0) _exit(2);
        limit.rlim_cur = value.value_or(limit.rlim_max);
        _exit(prlimit(pid, resource, &limit, nullptr) == 0 ? 0 : 3);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
}

std::string many_identities(int count) {
    std::string lines = "MTLSIdentity DNS:other.globex.example\nMTLSTrustAnchor globex.pem\n";
    for (int i = 0; i < count; ++i) lines += "MTLSIdentity DNS:h" + std::to_string(i) + ".globex.example\n";
    return partner("globex", lines);
}

}  // namespace

// ---- the keeper -----------------------------------------------------------------------------------------------------

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
    Kept site("event");
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

CLAIM(a_keeper_can_neither_be_traced_nor_holds_a_port) {
    Kept site("event");
    const std::string folder = "/proc/" + std::to_string(site.keeper());
    struct stat info {};
    CHECK_EQUAL(stat((folder + "/mem").c_str(), &info), 0);
    CHECK_EQUAL(info.st_uid, 0U);  // as the kernel shows processes that nobody may trace
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

CLAIM(a_keeper_that_runs_into_a_limit_keeps_what_is_in_force_and_goes_on_when_it_can) {
    if (httpd_paths().is_sanitized()) return;  // which need more than any limit leaves
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

// ---- children -------------------------------------------------------------------------------------------------------

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

CLAIM(a_server_without_free_descriptors_lets_in_nobody_wrongly_and_goes_on_when_it_has_some) {
    if (httpd_paths().is_sanitized()) return;
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

// ---- restarts -------------------------------------------------------------------------------------------------------

CLAIM(graceful_restarts_under_load_fail_no_request_and_grow_nothing, Turn::kFirst) {
    const int restarts = number_from("RESTARTS", 20);
    Kept site("event");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    Load load(site);
    const auto restart = [&](int count) {
        for (int i = 0; i < count; ++i) {
            site.httpd.graceful();
            load.wait_for(12);
            pause_for(std::chrono::milliseconds(150));
        }
    };
    restart(restarts / 4);
    const long early = resident_kib(site.httpd.pid());
    restart(restarts - restarts / 4);
    const long late = resident_kib(site.httpd.pid());
    load.stop();
    std::printf(
        "%d restarts, %d requests, %d refused while no keeper answered; the parent held %ld KiB and %ld at last\n",
        restarts, load.asked(), load.refused_wrongly(), early, late);
    load.check(0);
    CHECK(load.asked() > 12 * restarts);
    test::check(late < early + early / 10 + 1024 || httpd_paths().is_sanitized(),
                "grew from " + std::to_string(early) + " to " + std::to_string(late) + " KiB", __FILE__, __LINE__);
    for (const std::string& error : site.httpd.unclaimed_errors({": denied "})) {
        test::check(false, error, __FILE__, __LINE__);
    }
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
}

namespace {

// As if the module had been built from other sources: then it reads no memory that this one wrote.
void change_sources(const std::string& module) {
    std::ifstream in(module, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    // The digest of the sources, and the version of the compiler behind it.
    constexpr std::size_t kDigits = 64;
    std::size_t found = 0, run = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool is_digit =
            std::isdigit(static_cast<unsigned char>(bytes[i])) != 0 || (bytes[i] >= 'a' && bytes[i] <= 'f');
        if (!is_digit && run == kDigits && bytes[i] == '/') {
            char& first = bytes[i - kDigits];
            first = first == '0' ? '1' : '0';
            ++found;
        }
        run = is_digit ? run + 1 : 0;
    }
    CHECK(found > 0);
    std::ofstream(module + ".new", std::ios::binary) << bytes;
    fs::rename(module + ".new", module);
}

}  // namespace

CLAIM(a_module_of_other_sources_takes_over_at_a_graceful_restart_and_reads_no_memory_of_the_old_one) {
    Kept site;
    site.httpd.copy_module();
    site.run();
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    const pid_t server = site.httpd.pid(), before = site.keeper();
    Load load(site);
    change_sources(site.httpd.path("mod_mtls_authz.so"));
    site.httpd.graceful();
    becomes([&] { return site.keepers().size() == 1 && site.keeper() != before; }, true, "another keeper");
    load.wait_for(40);
    site.httpd.graceful();
    load.wait_for(40);
    load.stop();
    load.check(0);
    CHECK(is_there(server));
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
    site.refuse("MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "a refusal counts");
}

// ---- file systems ---------------------------------------------------------------------------------------------------

CLAIM(a_full_file_system_leaves_in_force_what_was_and_is_named) {
    LiveSite place;
    Mounted small(place.httpd.path("partners"), "size=16k,mode=755");
    if (!small) return;
    place.put("acme.conf", kAcme);
    place.put("globex.conf", kGlobex);
    place.start();
    CHECK_EQUAL(place.get(world().globex), 200);
    // What does not fit is cut: whoever copies it there gets half of it.
    const std::string large = many_identities(2000);
    std::ofstream(place.httpd.path("partners/globex.conf")) << large;
    CHECK(fs::file_size(place.httpd.path("partners/globex.conf")) < large.size());
    CHECK(place.httpd.wait_for_log("the policy files are refused"));
    CHECK_CONTAINS(place.httpd.error_log(), "partners/globex.conf:");
    CHECK_EQUAL(place.get(world().acme) + place.get(world().globex), 400);
    place.drop("globex.conf");
    becomes([&] { return place.get(world().globex); }, 403, "mended");
}

CLAIM(a_full_log_holds_up_no_request_and_no_refusal) {
    Kept site;
    Mounted logs(site.httpd.path("logs"), "size=16k,mode=777");
    if (!logs) return;
    site.run("event", "MTLSAuditLog logs/audit.log\n");
    std::ofstream(site.httpd.path("logs/fill")) << std::string(64000, 'x');
    for (int i = 0; i < 40; ++i) CHECK_EQUAL(site.acme(), 200);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "suspended");
    CHECK_EQUAL(site.acme(), 200);
    site.httpd.stop();
}

CLAIM(a_file_system_that_is_read_only_or_gone_ends_no_refusal_and_no_partner) {
    Kept site;
    Mounted revoked(site.httpd.path("revoked"), "size=64k,mode=755"),
        partners(site.httpd.path("partners"), "size=64k,mode=755");
    if (!revoked || !partners) return;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.refuse("MTLSSuspend globex\n");
    site.run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(mount("none", site.httpd.path("partners").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    stays([&] { return site.acme(); }, 200, "read-only");
    revoked.end();
    // Below it there is another file of that name, which refuses nobody: it is there, and whole.
    site.refuse("# nobody\n");
    becomes([&] { return site.globex(); }, 200, "what is there counts");
    fs::remove(site.httpd.path("revoked/list.conf"));
    partners.end();
    for (const char* name : {"acme.conf", "globex.conf"}) fs::remove(site.httpd.path("partners/") + name);
    CHECK(site.httpd.wait_for_log("now has none"));
    stays([&] { return site.acme(); }, 200, "unmounted");
}

CLAIM(a_file_system_that_hangs_hangs_no_request_no_refusal_and_no_new_child) {
    Kept site;
    Mounted partners(site.httpd.path("partners"), "size=64k,mode=755");
    if (!partners) return;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.run("event", "StartServers 2\nServerLimit 2\nThreadsPerChild 8\nMaxRequestWorkers 16\n");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    // Opening a file there takes until this is asked, which it never is.
    const int guard = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (guard < 0 || fanotify_mark(guard, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD,
                                   site.httpd.path("partners").c_str()) != 0) {
        std::printf("left out: the kernel lets nobody hold up who opens a file\n");
        return;
    }
    const pid_t before = site.keeper();
    fs::rename(site.httpd.path("partners/acme.conf"), site.httpd.path("partners/other.conf"));
    pause_for(kTakesHold);
    CHECK_EQUAL(site.acme(), 200);
    site.refuse("MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "a refusal counts");
    site.refuse("# nobody\n");
    becomes([&] { return site.acme(); }, 200, "and its end");
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    becomes([&] { return site.acme(); }, 200, "new children");
    CHECK_EQUAL(site.globex(), 403);
    becomes([&] { return is_there(before); }, false, "the keeper that hangs is ended");
    CHECK_EQUAL(site.acme() + site.globex(), 603);
    close(guard);
    CHECK_CONTAINS(site.httpd.error_log(), "the keeper has given no sign of life");
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
}

// ---- much at once ---------------------------------------------------------------------------------------------------

CLAIM(a_large_policy_is_exchanged_under_load_without_a_wrong_answer, Turn::kFirst) {
    const int count = number_from("IDENTITIES", httpd_paths().is_sanitized() ? 2000 : 100000);
    Kept site("event");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    Load load(site);
    for (int i = 0; i < 3; ++i) {
        // Its certificate fits none of them.
        site.put("many.conf",
                 many_identities(count) + "# " + std::to_string(i) + "\n" +
                     partner("more" + std::to_string(i), "MTLSIdentity CN:more\nMTLSTrustAnchor acme.pem"));
        const auto is_added = [&] { return site.times("more" + std::to_string(i)) > 0; };
        for (int tries = 0; tries < 6 && !is_added(); ++tries) becomes([&] { return is_added(); }, true, "in force");
        load.wait_for(50);
    }
    load.stop();
    load.check(0);
    CHECK_EQUAL(load.refused_wrongly(), 0);
    std::printf("%d identities, exchanged three times beside %d requests\n", count, load.asked());
}
