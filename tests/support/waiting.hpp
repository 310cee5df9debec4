// Changes that take hold while the server runs: waits for them, or makes sure that they do not come.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "claims.hpp"
#include "tls_client.hpp"

namespace test {

// The interval, a second, and time to load.
constexpr auto kTakesHold = std::chrono::milliseconds(2500);

inline void pause_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// Asks until the status is the expected one, for as long as a change may take on a busy machine.
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

// Asks for longer than a change takes: the status never moves.
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
