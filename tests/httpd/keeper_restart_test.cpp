// A graceful restart that meets a keeper, or a server, which cannot do what it should: it lets nobody in again, and
// ends no server.
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"

using namespace test;

namespace {

// 0: the server does not answer.
int status_at(const Kept& site, const Identity& who) try {
    TlsClient client(site.httpd.port(), as(who));
    return client.connected() ? client.get("/gate/x").status : 0;
} catch (const std::runtime_error&) {
    return 0;
}

void add_to_httpd_conf(const Kept& site, const std::string& line) {
    std::ofstream(site.httpd.path("httpd.conf"), std::ios::app) << line << "\n";
}

void stop(pid_t pid) {
    kill(pid, SIGSTOP);
    const std::string file = "/proc/" + std::to_string(pid) + "/status";
    for (int i = 0; i < 1000 && file_text(file).find("State:\tT") == std::string::npos; ++i)
        pause_for(std::chrono::milliseconds(1));
}

// httpd ends where a child that begins lacks something.
const std::string kOneChild = "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n";

std::string revocation_of(const Identity& who) { return "MTLSRevoke sha256:" + hex_sha256(who); }

}  // namespace

CLAIM(a_keeper_that_was_stopped_over_a_restart_lets_nobody_in_again) {
    for (const char* const mpm : {"event", "prefork"}) {
        Kept site(mpm);
        CHECK_EQUAL(site.acme() + site.globex(), 400);
        const pid_t old = site.keeper();
        // The old keeper knows nothing of a line in httpd.conf.
        add_to_httpd_conf(site, revocation_of(world().globex));
        stop(old);
        kill(site.httpd.pid(), SIGUSR1);
        becomes([&] { return status_at(site, world().globex); }, 403, mpm);
        if (is_there(old)) kill(old, SIGCONT);
        stays([&] { return status_at(site, world().globex); }, 403, mpm);
        site.put("more.conf", partner("more", "MTLSIdentity CN:more\nMTLSTrustAnchor acme.pem"));
        stays([&] { return status_at(site, world().globex); }, 403, mpm);
        CHECK_EQUAL(site.acme(), 200);
        CHECK(site.keeper() != old);
        CHECK(!is_there(old));
    }
}

namespace {

// The site's server, started by a command that takes rights away, or by nobody: limits stop it, other than one of root.
class Restricted {
public:
    explicit Restricted(Kept& site, std::vector<std::string> words = {}) {
        const bool is_of_nobody = words.empty();
        const passwd* const nobody = getpwnam("nobody");
        CHECK(nobody != nullptr);
        site.httpd.copy_module();
        for (const char* const folder : {"logs", "run"}) {
            if (!is_of_nobody || geteuid() != 0) continue;
            CHECK_EQUAL(chown(site.httpd.path(folder).c_str(), nobody->pw_uid, nobody->pw_gid), 0);
        }
        site.configure("MTLSRevocationFile revoked/list.conf\n");
        const std::vector<std::string> command = site.httpd.command({"-DFOREGROUND"});
        words.insert(words.end(), command.begin(), command.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_ = fork();
        if (pid_ == 0) {
            setpgid(0, 0);
            if (is_of_nobody) become_run_user();
            execvp(argv[0], argv.data());
            _exit(127);
        }
        becomes([&] { return status_at(site, world().acme); }, 200, "it serves");
    }
    ~Restricted() {
        kill(pid_, SIGTERM);
        for (int i = 0; i < 400 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) pause_for(std::chrono::milliseconds(25));
        kill(-pid_, SIGKILL);
    }
    Restricted(const Restricted&) = delete;
    Restricted& operator=(const Restricted&) = delete;

    pid_t pid() const { return pid_; }
    bool runs() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }
    std::vector<pid_t> keepers() const {
        std::vector<pid_t> out;
        for (const auto& [pid, stat] : children_of(pid_)) {
            const bool is_ended = stat.find(") Z ") != std::string::npos;
            if (stat.find("(mtls-keeper)") != std::string::npos && !is_ended) out.push_back(pid);
        }
        return out;
    }

private:
    pid_t pid_ = -1;
};

}  // namespace

CLAIM(a_keeper_that_a_restart_cannot_end_ends_by_itself, Turn::kAny, Module::kPlain) {
    if (geteuid() != 0) return;
    for (const bool is_stopped : {true, false}) {
        Kept site;
        const Restricted server(site, {"setpriv", "--bounding-set=-kill"});
        CHECK_EQUAL(status_at(site, world().globex), 200);
        CHECK_EQUAL(server.keepers().size(), 1U);
        const pid_t old = server.keepers().front();
        add_to_httpd_conf(site, revocation_of(world().globex));
        if (is_stopped) stop(old);
        kill(server.pid(), SIGUSR1);
        becomes([&] { return status_at(site, world().globex); }, 403, "a restart");
        const auto all = server.keepers();
        CHECK(!is_stopped || std::find(all.begin(), all.end(), old) != all.end());
        kill(old, SIGCONT);
        stays([&] { return status_at(site, world().globex); }, 403, "the old one goes on");
        becomes([&] { return static_cast<int>(server.keepers().size()); }, 1, "one keeper");
        CHECK(server.keepers().front() != old);
        CHECK_EQUAL(status_at(site, world().acme), 200);
    }
}

CLAIM(what_a_restart_cannot_hand_out_is_not_answered_by_what_was_in_force_before, Turn::kAny, Module::kPlain) {
    Kept site;
    const Restricted server(site);
    CHECK_EQUAL(status_at(site, world().globex), 200);
    TlsClient held(site.httpd.port(), as(world().globex));
    CHECK_EQUAL(held.get("/gate/x").status, 200);
    // Enough for its own files, and fewer than are in sockets of its user.
    set_limit(server.pid(), RLIMIT_NOFILE, 100);
    Hog hog(200);
    add_to_httpd_conf(site, revocation_of(world().globex));
    kill(server.pid(), SIGUSR1);
    CHECK(site.httpd.wait_for_log("what is in force cannot be handed out to the children"));
    stays([&] { return status_at(site, world().acme); }, 403, "nothing counts");
    CHECK_EQUAL(status_at(site, world().globex), 403);
    CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
    hog.end();
    becomes([&] { return status_at(site, world().acme); }, 200, "it can");
    stays([&] { return status_at(site, world().globex); }, 403, "the new line counts");
    CHECK(server.runs());
}

CLAIM(a_restart_that_can_start_no_keeper_ends_no_server, Turn::kAny, Module::kPlain) {
    Kept site;
    const Restricted server(site);
    CHECK_EQUAL(status_at(site, world().globex), 200);
    const int before = status_at(site, world().acme);
    CHECK_EQUAL(before, 200);
    set_limit(server.pid(), RLIMIT_NPROC, 0);
    add_to_httpd_conf(site, revocation_of(world().globex));
    kill(server.pid(), SIGUSR1);
    CHECK(site.httpd.wait_for_log("the keeper cannot be started"));
    pause_for(kTakesHold);
    CHECK(server.runs());
    CHECK(server.keepers().empty());
    CHECK(status_at(site, world().globex) != 200);
    set_limit(server.pid(), RLIMIT_NPROC, {});
    becomes([&] { return server.keepers().empty() ? 0 : 1; }, 1, "another try");
    becomes([&] { return status_at(site, world().acme); }, 200, "it serves");
    CHECK_EQUAL(status_at(site, world().globex), 403);
}

namespace {

// A limit of open files that leaves one free to the next keeper, which closes the ports.
rlim_t limit_for_one_file(pid_t server) {
    std::stringstream ports;
    for (const char* const table : {"/proc/net/tcp", "/proc/net/tcp6"}) ports << std::ifstream(table).rdbuf();
    std::map<rlim_t, bool> is_free;
    for (const auto& file : fs::directory_iterator("/proc/" + std::to_string(server) + "/fd")) {
        const std::string target = fs::read_symlink(file.path()).string();
        const std::size_t number = target.find("socket:[");
        const bool is_port =
            number == 0 && ports.str().find(" " + target.substr(8, target.size() - 9) + " ") != std::string::npos;
        is_free[std::stoul(file.path().filename().string())] = is_port;
    }
    for (rlim_t at = 0;; ++at) {
        const auto file = is_free.find(at);
        if (file == is_free.end() || file->second) return at + 1;
    }
}

}  // namespace

CLAIM(a_keeper_that_begins_without_descriptors_ends_no_refusal, Turn::kAny, Module::kPlain) {
    Kept site("event", kOneChild);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "suspended");
    fs::remove(site.httpd.path("revoked/list.conf"));
    CHECK(site.httpd.wait_for_log("cannot be read"));
    const pid_t server = site.httpd.pid(), before = site.keeper();
    rlimit usual{};
    CHECK_EQUAL(prlimit(server, RLIMIT_NOFILE, nullptr, &usual), 0);
    const rlimit little{limit_for_one_file(server), usual.rlim_max};
    CHECK_EQUAL(prlimit(server, RLIMIT_NOFILE, &little, nullptr), 0);
    kill(before, SIGKILL);
    CHECK(site.httpd.wait_for_log("the keeper has no descriptors or no memory for what is in force"));
    stays([&] { return site.globex(); }, 403, "the refusal");
    CHECK_EQUAL(site.acme(), 200);
    CHECK_CONTAINS(site.metrics(), "mtls_authz_keeper_up 0");
    CHECK_EQUAL(prlimit(server, RLIMIT_NOFILE, &usual, nullptr), 0);
    set_limit(site.keeper(), RLIMIT_NOFILE, {});
    becomes([&] { return site.metrics().find("mtls_authz_keeper_up 1") != std::string::npos ? 1 : 0; }, 1, "it can");
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    becomes([&] { return status_at(site, world().acme); }, 200, "a new child");
    CHECK_EQUAL(site.globex(), 403);
    site.refuse("# nobody\n");
    becomes([&] { return site.globex(); }, 200, "an edit");
}
