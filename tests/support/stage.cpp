#include "stage.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "httpd_server.hpp"
#include "mtls_authz/system/process_traits.hpp"

namespace test {

namespace {

namespace fs = std::filesystem;

constexpr std::array kEndings = {SIGINT, SIGTERM, SIGHUP};

// A temporary folder that servers of any user can enter.
class Folder {
public:
    Folder() {
        const char* const base = std::getenv("TMPDIR");
        path_ = std::string(base != nullptr ? base : "/tmp") + "/mtls-stage-XXXXXX";
        if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
        chmod(path_.c_str(), 0755);
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const char* path() const { return path_.c_str(); }

private:
    std::string path_;
};

// Also ends their orphans, whose parent this process becomes. Kills those that do not end in time.
void end_children() {
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    std::set<pid_t> asked;
    for (;;) {
        pid_t ended = 0;
        while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) asked.erase(ended);
        if (ended < 0) return;
        const bool is_late = std::chrono::steady_clock::now() > late;
        for (const auto& [pid, stat] : children_of(getpid())) {
            if (is_late) kill(pid, SIGKILL);
            if (asked.insert(pid).second) kill(pid, SIGTERM);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

int run(const std::function<int()>& story) {
    try {
        return story();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}

// Waits until the story ends or a signal arrives.
int status_of(pid_t story, const sigset_t& awaited) {
    for (;;) {
        int signal = 0;
        sigwait(&awaited, &signal);
        if (signal != 0 && signal != SIGCHLD) return 128 + signal;
        int status = 0;
        for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (ended == story) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        }
    }
}

}  // namespace

int staged(const std::function<int()>& story) {
    sigset_t awaited, before;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    for (const int signal : kEndings) sigaddset(&awaited, signal);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    mtls::adopt_orphans();
    const Folder folder;
    const pid_t child = fork();
    if (child == 0) {
        setenv("TMPDIR", folder.path(), 1);
        sigprocmask(SIG_SETMASK, &before, nullptr);
        std::exit(run(story));
    }
    const int status = status_of(child, awaited);
    end_children();
    return status;
}

}  // namespace test
