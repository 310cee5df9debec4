// What each process knows of the policy's coming and going.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/keeper/live_policy.hpp"

namespace mtls::httpd {

struct Live {
    explicit Live(const std::string& server_root) : policy(server_root) {}

    LivePolicy policy;
    KeeperBoard* board = nullptr;    // never null once requests are served
    bool has_follower = false;       // a thread of each child; without it, the next request or connection moves it
    int wakes_keeper[2] = {-1, -1};  // a pipe: what it reads, and what children write to
    apr_proc_t* keeper = nullptr;    // in the server's parent
    const server_rec* server = nullptr;
    // Moves this process to what is in force now; where another thread is at it, this one goes on with what it has.
    void (*follow_now)() noexcept = nullptr;
};

}  // namespace mtls::httpd
