// A backend for mod_proxy: answers each request with the bytes of its head and of its trailers.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace test {

class EchoBackend {
public:
    explicit EchoBackend(int port);
    ~EchoBackend();
    EchoBackend(const EchoBackend&) = delete;
    EchoBackend& operator=(const EchoBackend&) = delete;

private:
    void serve() const;

    int listener_ = -1;
    std::atomic<bool> ends_{false};
    std::thread thread_;
};

}  // namespace test
