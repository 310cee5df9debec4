#include "mtls_authz/keeper/event_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iterator>

#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/system/file_passing.hpp"
#include "mtls_authz/system/process_traits.hpp"

namespace mtls {

namespace {

using std::chrono::milliseconds;

constexpr int kPauseMs = 20;
constexpr int kNotFound = 127, kNotRun = 126;  // as shells return them
constexpr int kBySignal = 128;

std::int64_t monotonic_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    constexpr std::int64_t kThousand = 1000, kMillion = 1'000'000;
    return now.tv_sec * kThousand + now.tv_nsec / kMillion;
}

// ---- after fork() in a threaded process: only functions that POSIX calls async-signal-safe, and system calls --------

struct Start {
    int input;
    int null;
    int descriptors;  // all open descriptors are below this
    char* const* words;
    char* const* environment;
    std::int64_t until;  // monotonic_ms()
};

void reset_signals() {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) sigaction(number, &usual, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become_program(const Start& start) {
    setpgid(0, 0);
    execve(start.words[0], start.words, start.environment);
    _exit(errno == ENOENT ? kNotFound : kNotRun);
}

int code_of(int status) { return WIFSIGNALED(status) ? kBySignal + WTERMSIG(status) : WEXITSTATUS(status); }

// Waits for the program and all its descendants: as subreaper, this process becomes the parent of orphans.
[[noreturn]] void supervise(const Start& start) {
    setsid();
    reset_signals();
    name_process("mtls-event");
    adopt_orphans();
    dup2(start.input, STDIN_FILENO);
    dup2(start.null, STDOUT_FILENO);
    dup2(start.null, STDERR_FILENO);
    close_files_from(STDERR_FILENO + 1, start.descriptors);
    const pid_t program = fork();
    if (program == 0) become_program(start);
    if (program < 0) _exit(kNotRun);
    setpgid(program, program);
    close(STDIN_FILENO);
    constexpr std::int64_t kGraceMs = 500;
    int code = 0;
    bool is_reaped = false, is_killed = false;
    for (;;) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == program) code = code_of(status);
        is_reaped = is_reaped || ended == program;
        if (ended > 0) continue;
        const bool is_gone = is_reaped && kill(-program, 0) != 0;
        if (is_gone && !is_killed) _exit(code);
        const std::int64_t now = monotonic_ms();
        if (is_gone || (is_killed && now > start.until + kGraceMs)) break;
        if (!is_killed && now >= start.until) {
            is_killed = true;
            kill(-program, SIGKILL);
            if (!is_reaped) kill(program, SIGKILL);
        }
        poll(nullptr, 0, kPauseMs);
    }
    kill(getpid(), SIGALRM);
    _exit(kNotRun);
}

// ---- in the calling process -----------------------------------------------------------------------------------------

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

std::string fault_of(int status) {
    if (WIFSIGNALED(status)) {
        return WTERMSIG(status) == SIGALRM ? "did not end in time, so it was ended, with all that it started"
                                           : "was ended by signal " + std::to_string(WTERMSIG(status));
    }
    const int code = WEXITSTATUS(status);
    if (code == 0) return {};
    return "ended with status " + std::to_string(code) +
           (code == kNotFound ? " (it, or a command in it, was not found)"
            : code == kNotRun ? " (it, or a command in it, could not be run)"
                              : "");
}

// Waits for the supervisor that an earlier keeper left; it ends by itself.
void wait_for(std::atomic<std::int32_t>& runner, milliseconds longest) {
    const std::int64_t until = monotonic_ms() + longest.count();
    for (std::int32_t other = runner; other != 0 && !is_process_gone(other) && monotonic_ms() < until;) {
        poll(nullptr, 0, kPauseMs);
    }
}

void make_cloexec(const int (&ends)[2]) {
    for (const int fd : ends) fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) | O_NONBLOCK);
}

}  // namespace

std::string EventProgram::run(const std::string& input, std::atomic<std::int32_t>& runner, milliseconds longest) const {
    constexpr milliseconds kMargin{2000};
    wait_for(runner, longest + kMargin);
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0) return std::string("cannot be started: ") + std::strerror(errno);
    make_cloexec(ends);
    OwnedFile reads(ends[0]), writes(ends[1]), null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (null.get() < 0) return std::string("cannot be started: /dev/null: ") + std::strerror(errno);

    std::vector<std::string> words = command_;
    std::vector<std::string> environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                            "LANG=C.UTF-8"};
    const std::vector<char*> argv = pointers_to(words), envp = pointers_to(environment);
    const long most = sysconf(_SC_OPEN_MAX);
    constexpr long kMostDescriptors = 1L << 20;
    const Start start{
        reads.get(), null.get(),  static_cast<int>(most > 0 ? std::min(most, kMostDescriptors) : kMostDescriptors),
        argv.data(), envp.data(), monotonic_ms() + longest.count()};
    const pid_t pid = fork();
    if (pid == 0) supervise(start);
    if (pid < 0) return std::string("cannot be started: ") + std::strerror(errno);
    runner = pid;
    reads = OwnedFile();

    std::string_view left = input;
    int status = 0;
    for (;;) {
        const ssize_t written = left.empty() ? 0 : write(writes.get(), left.data(), left.size());
        const bool is_refused = written < 0 && errno != EAGAIN && errno != EINTR;
        left.remove_prefix(is_refused ? left.size() : static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        if (left.empty()) writes = OwnedFile();
        if (waitpid(pid, &status, WNOHANG) != 0) break;
        if (monotonic_ms() > start.until + kMargin.count()) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        poll(nullptr, 0, kPauseMs);
    }
    runner = 0;
    return fault_of(status);
}

std::string EventProgram::find_fault() const {
    struct stat info {};
    const char* const file = command_.front().c_str();
    if (stat(file, &info) != 0) return std::strerror(errno);
    if (!S_ISREG(info.st_mode)) return "it is no regular file";
    return access(file, X_OK) == 0 ? "" : std::strerror(errno);
}

}  // namespace mtls
