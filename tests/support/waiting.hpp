// Waits for changes while the server runs, or checks that none happens.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "claims.hpp"
#include "tls_client.hpp"

namespace test {

// The poll interval, 1 s, and the time to load.
constexpr auto kTakesHold = std::chrono::milliseconds(2500);

inline void pause_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// Repeats `ask` until it returns `expected`; fails after 60 s.
inline void becomes(const std::function<int()>& ask, int expected, const char* what) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    int status = 0;
    while (std::chrono::steady_clock::now() < end) {
        status = ask();
        if (status == expected) return;
        pause_for(std::chrono::milliseconds(50));
    }
    check_equal(status, expected, what, __FILE__, __LINE__);
}

// Checks that `ask` returns `expected` for longer than a change takes.
inline void stays(const std::function<int()>& ask, int expected, const char* what) {
    const auto end = std::chrono::steady_clock::now() + kTakesHold;
    while (std::chrono::steady_clock::now() < end) {
        check_equal(ask(), expected, what, __FILE__, __LINE__);
        pause_for(std::chrono::milliseconds(20));
    }
}

inline ClientOptions as(const Identity& who, int tls = TLS1_3_VERSION) {
    ClientOptions options;
    options.identity = &who;
    options.tls = tls;
    return options;
}

}  // namespace test
