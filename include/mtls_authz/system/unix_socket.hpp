// Unix sockets that processes of this machine ask each other through. None outlives exec(), and a peer that is gone
// raises no signal.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "mtls_authz/system/system.hpp"

namespace mtls {

// The kind that one process listens on. Messages here are of a fixed size each: where the kernel does not keep them
// apart, their sizes do.
#ifdef MTLS_AUTHZ_LINUX
constexpr int kListeningKind = SOCK_SEQPACKET;
#else
constexpr int kListeningKind = SOCK_STREAM;
#endif

// For send() and sendmsg() on these.
#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif

enum class Waits { kYes, kNo };
// -1 where there is none; errno says why.
int open_unix_socket(Waits waits);
// Of the next who connects; never waits.
int accept_unix(int listener);
// Two that are connected and keep messages apart.
bool open_unix_pair(int (&pair)[2]);

// The user of the process that connected or, seen from there, of the one that began to listen.
bool find_peer_user(int socket, uid_t& user);

// Whether the peer has taken all that was sent. Where that cannot be asked, not before it is gone.
bool has_taken_all(int socket);

}  // namespace mtls
