// Unix sockets between processes of this machine: close-on-exec, and writing to one whose peer is gone raises no
// SIGPIPE.
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
// Returns -1 on failure, with errno set.
int open_unix_socket(Waits waits);
// Accepts one connection as a non-blocking socket; -1 if none waits.
int accept_unix(int listener);
// Two connected sockets that preserve message boundaries.
bool open_unix_pair(int (&pair)[2]);

// The user of the process that connected; for a client, of the process that called listen().
bool find_peer_user(int socket, uid_t& user);

// Whether the peer has read everything that was sent. Always false where the kernel cannot tell.
bool has_read_all(int socket);

}  // namespace mtls
