#include "mtls_authz/system/unix_socket.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#ifdef MTLS_AUTHZ_LINUX
#include <linux/sockios.h>
#endif

namespace mtls {

#ifdef MTLS_AUTHZ_LINUX

int open_unix_socket(Waits waits) {
    return socket(AF_UNIX, kListeningKind | SOCK_CLOEXEC | (waits == Waits::kYes ? 0 : SOCK_NONBLOCK), 0);
}

int accept_unix(int listener) { return accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }

bool open_unix_pair(int (&pair)[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0; }

bool find_peer_user(int socket, uid_t& user) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    user = peer.uid;
    return true;
}

bool has_read_all(int socket) {
    int bytes = 1;
    return ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes == 0;
}

#else

namespace {

// Between two steps another thread may fork and exec: it has this descriptor then.
int prepare(int socket, Waits waits) {
    if (socket < 0) return socket;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    if (waits == Waits::kNo) fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    return socket;
}

}  // namespace

int open_unix_socket(Waits waits) { return prepare(socket(AF_UNIX, kListeningKind, 0), waits); }

int accept_unix(int listener) { return prepare(accept(listener, nullptr, nullptr), Waits::kNo); }

bool open_unix_pair(int (&pair)[2]) {
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) return false;
    for (const int socket : pair) prepare(socket, Waits::kYes);
    return true;
}

bool find_peer_user(int socket, uid_t& user) {
    gid_t group = 0;
    return getpeereid(socket, &user, &group) == 0;
}

bool has_read_all(int) { return false; }

#endif

}  // namespace mtls
