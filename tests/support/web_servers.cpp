
#include "web_servers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "httpd_server.hpp"
#include "sockets.hpp"
#include "tls_client.hpp"

namespace test {

namespace fs = std::filesystem;

namespace {

constexpr const char* kNginx = "/usr/sbin/nginx";
constexpr const char* kHaproxy = "/usr/sbin/haproxy";

}  // namespace

bool Nginx::is_installed() { return access(kNginx, X_OK) == 0; }

Nginx::Nginx(const std::string& folder, int port, const std::string& lines, const std::string& http_lines)
    : folder_(folder), port_(port) {
    fs::create_directories(folder_ + "/htdocs");
    std::string temporary;
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
        temporary += std::string(kind) + "_temp_path " + folder_ + "/" + kind + ";\n";
    }
    std::ofstream(folder_ + "/nginx.conf")
        << "daemon off; master_process off; pid " << folder_ << "/pid; error_log " << folder_ << "/error.log;\n"
        << "events {}\nhttp {\nlog_format short '$request_method $uri $status';\naccess_log " << folder_
        << "/access.log short;\n"
        << temporary << http_lines << "server {\nlisten 127.0.0.1:" << port_ << ";\nroot " << folder_ << "/htdocs;\n"
        << lines << "}\n}\n";
    program_.emplace(std::vector<std::string>{kNginx, "-p", folder_, "-c", "nginx.conf", "-e", "error.log"});
    if (!accepts_within(port_, std::chrono::seconds(10))) throw std::runtime_error("nginx does not start");
}

void Nginx::put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ + "/htdocs/" + name, std::ios::binary) << content;
}

std::string Nginx::requests() const { return file_text(folder_ + "/access.log"); }

bool Haproxy::is_installed() { return access(kHaproxy, X_OK) == 0; }

Haproxy::Haproxy(const std::string& folder, int port, const std::string& lines) {
    std::ofstream(folder + "/haproxy.conf") << "global\nnbthread 1\nmaxconn 100\nfd-hard-limit 1024\ndefaults\nmode "
                                               "http\ntimeout client 60s\ntimeout server "
                                               "60s\ntimeout connect 5s\n"
                                            << lines;
    program_.emplace(std::vector<std::string>{kHaproxy, "-db", "-C", folder, "-f", folder + "/haproxy.conf"});
    if (!accepts_within(port, std::chrono::seconds(10))) throw std::runtime_error("HAProxy does not start");
}

RawServer::RawServer(Handler answer, std::string head_end)
    : answer_(std::move(answer)), head_end_(std::move(head_end)), port_(free_port()), listener_(listen_on(port_)) {
    thread_ = std::thread([this] { serve(); });
}

RawServer::~RawServer() {
    ends_ = true;
    thread_.join();
    close(listener_);
}

void RawServer::serve() {
    constexpr int kPatience = 100;  // milliseconds
    while (!ends_) {
        pollfd wait{listener_, POLLIN, 0};
        if (poll(&wait, 1, kPatience) != 1) continue;
        const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        std::string request;
        std::size_t wanted = std::string::npos;
        while (request.size() < wanted) {
            char bytes[4096];
            const ssize_t n = read(client, bytes, sizeof bytes);
            if (n <= 0) break;
            request.append(bytes, static_cast<std::size_t>(n));
            const std::size_t end = request.find(head_end_);
            const std::size_t length = request.find("Content-Length: ");
            if (end == std::string::npos) continue;
            wanted = end + head_end_.size() + (length < end ? std::stoul(request.substr(length + 16)) : 0);
        }
        ++requests_;
        answer_(client, request);
        close(client);
    }
}

bool send_all(int socket, const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t n = send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return false;
        sent += static_cast<std::size_t>(n);
    }
    return true;
}

std::string http_answer(const std::string& content, const std::string& type) {
    return "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(content.size()) +
           "\r\nConnection: close\r\n\r\n" + content;
}

std::string body_of(const std::string& request) {
    const std::size_t end = request.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : request.substr(end + 4);
}

}  // namespace test
