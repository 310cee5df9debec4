// A backend for mod_proxy: answers each request with the bytes of its head and of its trailers.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace test {

class EchoBackend {
public:
    explicit EchoBackend(int port);
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    // A ProxyPass line that forwards requests for `path`, and for paths below it, to this backend. `more`: its further
    // parameters.
    std::string pass(const std::string& path, const std::string& more = "") const {
        return "ProxyPass " + path + " " + url() + path + " disablereuse=on" + more + "\n";
    }
    ~EchoBackend();
    EchoBackend(const EchoBackend&) = delete;
    EchoBackend& operator=(const EchoBackend&) = delete;

private:
    void serve() const;

    int port_;
    int listener_ = -1;
    std::atomic<bool> ends_{false};
    std::thread thread_;
};

}  // namespace test
