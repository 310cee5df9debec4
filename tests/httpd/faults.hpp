// For tests of faults: clients that send requests during the fault and check each answer, and a large policy.
#pragma once

#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "kept_site.hpp"
#include "workers.hpp"

namespace test {

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

// In a process of its own: the user that the server's children run as.
inline void become_run_user() {
    if (geteuid() != 0) return;
    const passwd* const nobody = getpwnam("nobody");
    if (nobody == nullptr || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0) _exit(1);
}

// A process of the run-time user with descriptors in a socket, which count against the limit of all its processes.
class Hog {
public:
    explicit Hog(std::size_t count) {
        int ready[2];
        CHECK_EQUAL(pipe(ready), 0);
        pid_ = fork();
        if (pid_ == 0) {
            become_run_user();
            const bool is_sent = send(count);
            _exit(write(ready[1], is_sent ? "y" : "n", 1) == 1 ? pause() : 1);
        }
        char answer = 0;
        CHECK_EQUAL(read(ready[0], &answer, 1), 1);
        CHECK_EQUAL(answer, 'y');
        for (const int end : ready) close(end);
    }
    ~Hog() { end(); }
    void end() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(std::exchange(pid_, 0), nullptr, 0);
    }

private:
    static bool send(std::size_t count) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) return false;
        const std::vector<int> files(count, pair[0]);
        std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
        char byte = 0;
        iovec data{&byte, 1};
        msghdr message{};
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(head), files.data(), count * sizeof(int));
        return sendmsg(pair[1], &message, 0) == 1;
    }

    pid_t pid_ = 0;
};

// Sets the soft limit of another process of the server, as the user that it runs as.
inline void set_limit(pid_t pid, __rlimit_resource resource, std::optional<rlim_t> value) {
    const pid_t child = fork();
    if (child == 0) {
        become_run_user();
        rlimit limit{};
        if (prlimit(pid, resource, nullptr, &limit) != 0) _exit(2);
        limit.rlim_cur = value.value_or(limit.rlim_max);
        _exit(prlimit(pid, resource, &limit, nullptr) == 0 ? 0 : 3);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
}

inline std::string many_identities(int count) {
    std::string lines = "MTLSIdentity DNS:other.globex.example\nMTLSTrustAnchor globex.pem\n";
    for (int i = 0; i < count; ++i) lines += "MTLSIdentity DNS:h" + std::to_string(i) + ".globex.example\n";
    return partner("globex", lines);
}

}  // namespace test
