#include "echo_backend.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "sockets.hpp"

namespace test {

namespace {

constexpr int kPatience = 200;  // milliseconds

bool is_readable(int socket) {
    pollfd wait{socket, POLLIN, 0};
    return poll(&wait, 1, kPatience) == 1;
}

// Everything until a pause: the head, and the body if there is one.
std::string read_request(int socket) {
    std::string out;
    while (is_readable(socket)) {
        char bytes[4096];
        const ssize_t n = read(socket, bytes, sizeof bytes);
        if (n <= 0) break;
        out.append(bytes, static_cast<std::size_t>(n));
        const bool has_body = out.find("hunked") != std::string::npos || out.find("ontent-") != std::string::npos;
        if (out.find("\r\n\r\n") != std::string::npos && !has_body) break;
    }
    return out;
}

}  // namespace

EchoBackend::EchoBackend(int port) : port_(port), listener_(listen_on(port)) {
    thread_ = std::thread([this] { serve(); });
}

EchoBackend::~EchoBackend() {
    ends_ = true;
    thread_.join();
    close(listener_);
}

void EchoBackend::serve() const {
    while (!ends_) {
        if (!is_readable(listener_)) continue;
        const int socket = accept(listener_, nullptr, nullptr);
        if (socket < 0) continue;
        const std::string request = read_request(socket);
        const std::string answer =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(request.size()) +
            "\r\nConnection: close\r\n\r\n" + request;
        for (std::size_t sent = 0; sent < answer.size();) {
            const ssize_t n = send(socket, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += static_cast<std::size_t>(n);
        }
        close(socket);
    }
}

}  // namespace test
