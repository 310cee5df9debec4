// Web servers on 127.0.0.1: nginx, HAProxy, and one that answers with raw bytes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "program.hpp"

namespace test {

// nginx, which serves its folder's htdocs/, with more lines inside its `server` block or outside of it (`http_lines`).
// The destructor stops it.
class Nginx {
public:
    // Uses `folder`, which must exist.
    Nginx(const std::string& folder, int port, const std::string& lines = "", const std::string& http_lines = "");
    static bool is_installed();
    int port() const { return port_; }
    std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
    // Writes a file to htdocs/.
    void put(const std::string& name, const std::string& content) const;
    // One line per request: "GET /acme.crl 200".
    std::string requests() const;

private:
    std::string folder_;
    int port_;
    std::optional<Program> program_;
};

// HAProxy with one thread and this frontend and backend; paths in `lines` are relative to `folder`. The destructor
// stops it.
class Haproxy {
public:
    Haproxy(const std::string& folder, int port, const std::string& lines);
    static bool is_installed();

private:
    std::optional<Program> program_;
};

// Serves one connection at a time: `answer` gets the request and writes to the socket, which is then closed.
// `head_end`: the bytes after which a request without Content-Length is whole.
class RawServer {
public:
    using Handler = std::function<void(int socket, const std::string& request)>;
    explicit RawServer(Handler answer, std::string head_end = "\r\n\r\n");
    ~RawServer();
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;

    int port() const { return port_; }
    std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
    std::size_t requests() const { return requests_; }

private:
    void serve();

    Handler answer_;
    std::string head_end_;
    int port_;
    int listener_ = -1;
    std::atomic<bool> ends_{false};
    std::atomic<std::size_t> requests_{0};
    std::thread thread_;
};

// False if the client closed the connection.
bool send_all(int socket, const std::string& bytes);
// "HTTP/1.1 200 OK" with this body.
std::string http_answer(const std::string& content, const std::string& type = "application/octet-stream");
// The part of a request after its head.
std::string body_of(const std::string& request);

}  // namespace test
