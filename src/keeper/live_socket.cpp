#include "mtls_authz/keeper/live_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <span>
#include <utility>

#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/system/sealed_file.hpp"
#include "mtls_authz/system/unix_socket.hpp"

namespace mtls {

namespace {

static_assert(kWatched + 1 <= kMostPassedFiles);  // the images, then the gates

// magic and layout keep their position in every version, so that a tool of another build gets a clear error.
struct Greeting {
    std::array<char, 8> magic = {'m', 't', 'l', 's', 'a', 's', 'k', '1'};
    std::uint64_t layout = layout_id();
};
enum class Status : std::uint64_t { kAnswered, kOtherLayout, kBusy };
struct Reply {
    std::array<char, 8> magic = {'m', 't', 'l', 's', 'a', 'n', 's', '1'};
    std::uint64_t layout = layout_id();
    Status status = Status::kAnswered;
    std::int64_t in_force_since = 0;
    std::array<std::uint64_t, kWatched> serials{};
    FixedText<4096> not_in_force;
};

Error failure(const std::string& what) { return Error{what + ": " + std::strerror(errno)}; }

std::string name_of_user(uid_t user) { return user == 0 ? "root" : "user " + std::to_string(user); }

bool fill_address(const std::string& path, sockaddr_un& out) {
    out.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof out.sun_path) return false;
    path.copy(out.sun_path, path.size());
    return true;
}

int connect_to(const sockaddr_un& address) {
    const int out = open_unix_socket(Waits::kYes);
    if (out < 0) return out;
    const timeval longest{5, 0};
    setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    const void* const any = &address;
    if (connect(out, static_cast<const sockaddr*>(any), sizeof address) == 0) return out;
    const int why = errno;
    close(out);
    errno = why;
    return -1;
}

}  // namespace

// ---- the tool -------------------------------------------------------------------------------------------------------

namespace {

Result<LiveAnswer> read_answer(int socket, const std::string& path) {
    Reply reply;
    PassedFiles passed;
    const ssize_t size = receive_with_files(socket, std::as_writable_bytes(std::span(&reply, 1)), passed, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return Error{"the keeper of the server at " + path + " does not answer: see its error log"};
    }
    if (size <= 0) return Error{"the server at " + path + " has closed the connection: ask again"};
    // Another build's reply may have another size.
    const Error is_foreign{path + " is no socket of mod_mtls_authz"};
    constexpr std::size_t kOfAllVersions = offsetof(Reply, layout) + sizeof reply.layout;
    if (static_cast<std::size_t>(size) < kOfAllVersions || reply.magic != Reply{}.magic) return is_foreign;
    if (reply.layout != layout_id()) {
        return Error{"the module in the server at " + path +
                     " is of another build than this mtls-authz: install both from one package, restart the server, "
                     "and ask again"};
    }
    if (static_cast<std::size_t>(size) < sizeof reply) return is_foreign;
    if (reply.status != Status::kAnswered) {
        return Error{"the server at " + path + " has too many who ask at once: ask again"};
    }
    LiveAnswer out;
    out.serials = reply.serials;
    out.in_force_since = reply.in_force_since;
    out.not_in_force = reply.not_in_force.str();
    std::size_t next = 0;
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (reply.serials[i] != 0 && next < passed.count) out.images[i] = std::move(passed.files[next++]);
        if (reply.serials[i] != 0 && out.images[i].get() < 0) passed.count = 0;
    }
    if (next < passed.count) out.gates = std::move(passed.files[next]);
    if (out.gates.get() < 0) return Error{"the files of the server at " + path + " did not arrive (ulimit -n)"};
    return out;
}

}  // namespace

Result<LiveAnswer> ask_live_server(const std::string& path) {
    sockaddr_un address{};
    if (!fill_address(path, address)) return Error{path + ": longer than the path of a socket may be"};
    const OwnedFile socket(connect_to(address));
    if (socket.get() < 0) {
        const bool is_forbidden = errno == EACCES || errno == EPERM;
        const bool is_alone = errno == ECONNREFUSED || errno == ENOENT;
        return failure(path + (is_forbidden ? " is for root and the server's run-time user alone"
                               : is_alone   ? ": no server listens there"
                                            : ": cannot be asked"));
    }
    uid_t user = 0;
    if (!find_peer_user(socket.get(), user) || (user != 0 && user != geteuid())) {
        return Error{path + " was made by " + name_of_user(user) +
                     ": what it answers is believed where root or the user who asks has started the server; run "
                     "mtls-authz as that user"};
    }
    const Greeting greeting;
    if (::send(socket.get(), &greeting, sizeof greeting, kNoSignal) != sizeof greeting) {
        return Error{"the server at " + path +
                     " has closed the connection: it answers root and its run-time user alone"};
    }
    return read_answer(socket.get(), path);
}

Result<std::string> read_sealed_text(int file) {
    struct stat info {};
    if (!is_sealed(file)) return Error{"it is not sealed"};
    if (fstat(file, &info) != 0) return failure("it cannot be read");
    std::string out(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t at = 0; at < out.size();) {
        const ssize_t n = pread(file, out.data() + at, out.size() - at, static_cast<off_t>(at));
        if (n <= 0) return failure("it cannot be read");
        at += static_cast<std::size_t>(n);
    }
    return out;
}

// ---- the server -----------------------------------------------------------------------------------------------------

Result<OwnedFile> make_sealed_text(std::string_view text) {
    auto file = UnsealedFile::create();
    if (!file) return failure("no memory that processes share can be had");
    const std::size_t size = text.size();
    while (!text.empty()) {
        const ssize_t n = write(file->get(), text.data(), text.size());
        if (n <= 0) return failure("it cannot be written");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    OwnedFile sealed = std::move(*file).seal(size);
    if (sealed.get() < 0) return failure("its memory cannot be sealed");
    return sealed;
}

Result<OwnedFile> listen_live(const std::string& path, uid_t user) {
    sockaddr_un address{};
    if (!fill_address(path, address)) {
        return Error{"its name is longer than the " + std::to_string(sizeof address.sun_path - 1) +
                     " bytes that one of a socket may have: choose a shorter DefaultRuntimeDir"};
    }
    OwnedFile out(open_unix_socket(Waits::kNo));
    if (out.get() < 0) return failure("no socket can be had");
    struct stat there {};
    if (lstat(path.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) return Error{"another file is there: remove it"};
        const OwnedFile other(connect_to(address));
        const bool is_left_over = other.get() < 0 && errno == ECONNREFUSED;
        if (other.get() < 0 && (errno == EACCES || errno == EPERM)) {
            return Error{
                "another user's server listens there, or has left it: remove it, or give each server a "
                "DefaultRuntimeDir of its own"};
        }
        if (other.get() < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            return failure("whether another server listens there cannot be asked");
        }
        if (!is_left_over) {
            return Error{"another server listens there: give each server a DefaultRuntimeDir of its own"};
        }
        unlink(path.c_str());
    }
    const mode_t before = umask(S_IRWXG | S_IRWXO | S_IXUSR);
    const void* const any = &address;
    const bool is_bound = bind(out.get(), static_cast<const sockaddr*>(any), sizeof address) == 0;
    umask(before);
    if (!is_bound) return failure("it cannot be made");
    const bool is_own = user == geteuid() || lchown(path.c_str(), user, static_cast<gid_t>(-1)) == 0;
    constexpr int kWaiting = 64;
    if (is_own && listen(out.get(), kWaiting) == 0) return out;
    const Error why = failure("it cannot be made");
    unlink(path.c_str());
    return why;
}

std::size_t LiveSocketServer::count(uid_t user, bool answered) const {
    return static_cast<std::size_t>(std::count_if(peers_.begin(), peers_.end(), [&](const Peer& peer) {
        return peer.user == user && peer.is_answered == answered;
    }));
}

void LiveSocketServer::welcome(int listener) {
    for (std::size_t i = 0; i < kMostPeers; ++i) {
        Peer peer;
        peer.socket = OwnedFile(accept_unix(listener));
        if (peer.socket.get() < 0) {
            // Out of descriptors: do not retry at once.
            constexpr timespec kSoon = {0, 100'000'000};
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) nanosleep(&kSoon, nullptr);
            return;
        }
        if (!find_peer_user(peer.socket.get(), peer.user) || (peer.user != 0 && peer.user != run_user_)) continue;
        peer.since = Clock::now();
        // Evict the oldest waiting peer of this user.
        if (count(peer.user, false) >= kMostPeers) {
            peers_.erase(std::find_if(peers_.begin(), peers_.end(),
                                      [&](const Peer& p) { return p.user == peer.user && !p.is_answered; }));
        }
        peers_.push_back(std::move(peer));
    }
}

bool LiveSocketServer::answer(Peer& peer) const {
    Greeting wanted;
    Greeting greeting;
    const ssize_t size = recv(peer.socket.get(), &greeting, sizeof greeting, MSG_DONTWAIT | MSG_TRUNC);
    if (size != sizeof greeting || greeting.magic != wanted.magic) return false;
    Reply reply;
    std::vector<int> files;
    if (greeting.layout != wanted.layout) reply.status = Status::kOtherLayout;
    if (count(peer.user, true) >= kMostUnread) reply.status = Status::kBusy;
    LiveAnswer found;
    if (reply.status == Status::kAnswered) {
        found = look_();
        reply.serials = found.serials;
        reply.in_force_since = found.in_force_since;
        reply.not_in_force = found.not_in_force;
        for (std::size_t i = 0; i < kWatched; ++i) {
            if (found.serials[i] != 0) files.push_back(found.images[i].get());
        }
        files.push_back(found.gates.get());
    }
    const bool is_sent = send_with_files(peer.socket.get(), std::as_bytes(std::span(&reply, 1)), files);
    peer.is_answered = is_sent && !files.empty();
    return peer.is_answered;  // a reply without files needs no wait
}

// Returns whether to keep the peer.
bool LiveSocketServer::attend(Peer& peer, short events) const {
    if ((events & (POLLHUP | POLLERR)) != 0) return false;
    if (peer.is_answered) return !has_read_all(peer.socket.get());
    if ((events & POLLIN) != 0) return answer(peer);
    return Clock::now() - peer.since < kLongestSilence;
}

bool LiveSocketServer::turn(int listener, int also) {
    constexpr int kSoon = 100;
    std::vector<pollfd> waits = {{listener, POLLIN, 0}, {also, POLLIN, 0}};
    for (const Peer& peer : peers_) {
        waits.push_back({peer.socket.get(), static_cast<short>(peer.is_answered ? 0 : POLLIN), 0});
    }
    poll(waits.data(), waits.size(), peers_.empty() ? -1 : kSoon);
    for (std::size_t i = 0; i < peers_.size(); ++i) peers_[i].stays = attend(peers_[i], waits[i + 2].revents);
    std::erase_if(peers_, [](const Peer& peer) { return !peer.stays; });
    if (waits[0].revents != 0) welcome(listener);
    return waits[1].revents != 0;
}

}  // namespace mtls
