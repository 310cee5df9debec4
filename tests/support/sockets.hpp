// TCP sockets on 127.0.0.1.
#pragma once

#include <netinet/in.h>

#include <chrono>

namespace test {

sockaddr_in loopback(int port);

// A connected socket, or -1.
int try_connect(int port);
// Whether a server listens on the port.
bool accepts(int port);
bool accepts_within(int port, std::chrono::seconds time);

// A listening socket; throws if the port is taken.
int listen_on(int port);
// Whether a server could listen on the port now.
bool can_listen(int port);

}  // namespace test
