#include "httpd/keeper/live_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>

#include "httpd/config/config.hpp"
#include "httpd/keeper/live_gates.hpp"
#include "mtls_authz/keeper/live_socket.hpp"
#include "mtls_authz/system/this_thread.hpp"

extern "C" {
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

struct LiveSocket {
    LiveSocket() = default;
    ~LiveSocket();
    LiveSocket(const LiveSocket&) = delete;
    LiveSocket& operator=(const LiveSocket&) = delete;

    // Whether `path` is still the file that listen() made.
    bool is_there() const;
    bool listen();

    std::string path;
    uid_t user = 0;  // the run-time user
    pid_t parent = getpid();
    dev_t device = 0;
    ino_t inode = 0;
    bool is_failing = false;  // the last attempt failed, and the log says so
    OwnedFile listener;
    OwnedFile gates;
    OwnedFile gives, takes;  // a socket pair: the parent sends a new listener to the keeper
};

LiveSocket* live_socket = nullptr;  // trivially destructible: a restart unloads this shared object

LiveSocket::~LiveSocket() {
    live_socket = nullptr;
    if (getpid() == parent && is_there()) unlink(path.c_str());
}

bool LiveSocket::is_there() const {
    struct stat info {};
    return listener.get() >= 0 && lstat(path.c_str(), &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

bool LiveSocket::listen() {
    auto made = listen_live(path, user);
    struct stat info {};
    if (!made || lstat(path.c_str(), &info) != 0) {
        if (std::exchange(is_failing, true)) return false;
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "mtls_authz: mtls-authz --live cannot ask this server: there is no socket %s: %s", path.c_str(),
                     made ? std::strerror(errno) : made.error().c_str());
        return false;
    }
    is_failing = false;
    listener = std::move(made.value());
    device = info.st_dev;
    inode = info.st_ino;
    return true;
}

// The message's byte is ignored; it carries the descriptor.
void give_listener(int socket, int listener) {
    const auto byte = std::byte{'L'};
    send_with_files(socket, std::span(&byte, 1), std::span(&listener, 1));
}

void take_listener(OwnedFile& socket, OwnedFile& listener) {
    std::byte byte{};
    PassedFiles passed;
    const ssize_t size = receive_with_files(socket.get(), std::span(&byte, 1), passed, MSG_DONTWAIT);
    if (size == 0) socket = OwnedFile();  // no process can send another one
    if (passed.count == 1) listener = std::move(passed.files.front());
}

LiveAnswer current_answer() {
    LiveAnswer out;
    // No child can write to the socket pair that this reads.
    if (auto shelf = state().live.board->kept()) {
        out.serials = shelf->serials;
        out.images = std::move(shelf->files);
    }
    out.in_force_since = state().live.board->in_force_since;
    for (const std::string& sentence : state().ledger->file_troubles.get().sentences())
        out.not_in_force += sentence + "\n";
    out.gates = OwnedFile(dup(live_socket->gates.get()));
    return out;
}

[[noreturn]] void serve_forever(const server_rec* s) {
    LiveSocketServer server(live_socket->user, current_answer);
    for (;;) {
        const int outcome = guarded(s, DECLINED, [&server] {
            const bool is_new = server.turn(live_socket->listener.get(), live_socket->takes.get());
            if (is_new) take_listener(live_socket->takes, live_socket->listener);
            return OK;
        });
        // For example without memory: do not retry at once.
        if (outcome != OK) std::this_thread::sleep_for(std::chrono::seconds(1));
    }
}

}  // namespace

std::string live_socket_path(apr_pool_t* pool) {
    const char* const path = ap_runtime_dir_relative(pool, "mtls_authz.sock");
    return path != nullptr ? path : "";
}

void open_live_socket(apr_pool_t* pconf, server_rec* s) {
    attempt(s, [&] {
        auto text = make_sealed_text(gate_map_text(map_gates(s)));
        auto& made = *pool_new<LiveSocket>(pconf);
        made.path = live_socket_path(pconf);
        made.user = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
        if (!text) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "mtls_authz: mtls-authz --live cannot ask this server: %s",
                         text.error().c_str());
            return;
        }
        made.gates = std::move(text.value());
        if (!make_socket_pair(made.gives, made.takes) || !made.listen()) return;
        live_socket = &made;
    });
}

void serve_live(const server_rec* s) {
    if (live_socket == nullptr) return;
    live_socket->gives = OwnedFile();
    // Without this thread --live gets no answer; the keeper goes on.
    attempt(s, [&] { start_thread([s] { serve_forever(s); }); });
}

void leave_live_socket() noexcept {
    if (live_socket == nullptr || getpid() == live_socket->parent) return;  // httpd -X: no child
    for (OwnedFile* const file :
         {&live_socket->listener, &live_socket->gates, &live_socket->gives, &live_socket->takes})
        *file = OwnedFile();
}

extern "C" int watch_live_socket(apr_pool_t*, server_rec* s) {
    if (live_socket == nullptr || live_socket->is_there()) return DECLINED;
    return guarded(s, DECLINED, [&] {
        if (!live_socket->listen()) return DECLINED;
        give_listener(live_socket->gives.get(), live_socket->listener.get());
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: the socket %s was gone, and is made anew",
                     live_socket->path.c_str());
        return DECLINED;
    });
}

}  // namespace mtls::httpd
