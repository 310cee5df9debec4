#include "sockets.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <thread>

namespace test {

namespace {

// -1 if the port is taken.
int try_listen(int port) {
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // as httpd does
    const sockaddr_in address = loopback(port);
    constexpr int kBacklog = 64;
    if (bind(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(s, kBacklog) == 0) return s;
    close(s);
    return -1;
}

}  // namespace

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

int try_connect(int port) {
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    bool is_connected = connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    // If no server listens yet, the kernel may choose this very port for our end, and connect the socket to itself.
    sockaddr_in own{};
    socklen_t length = sizeof own;
    getsockname(s, reinterpret_cast<sockaddr*>(&own), &length);
    is_connected = is_connected && own.sin_port != address.sin_port;
    if (is_connected) return s;
    close(s);
    return -1;
}

bool accepts(int port) {
    const int s = try_connect(port);
    if (s >= 0) close(s);
    return s >= 0;
}

bool accepts_within(int port, std::chrono::seconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
        if (accepts(port)) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
}

int listen_on(int port) {
    const int s = try_listen(port);
    if (s < 0) throw std::runtime_error("cannot listen on port " + std::to_string(port));
    return s;
}

bool can_listen(int port) {
    const int s = try_listen(port);
    if (s >= 0) close(s);
    return s >= 0;
}

}  // namespace test
