// Each process's access to the live policy.
#pragma once

#include <string>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/keeper/live_policy.hpp"

namespace mtls::httpd {

struct Live {
    explicit Live(const std::string& server_root) : policy(server_root) {}

    LivePolicy policy;
    KeeperBoard* board = nullptr;    // never null while requests are served
    bool has_follower = false;       // each child has a thread that follows; else requests and connections do
    int wakes_keeper[2] = {-1, -1};  // a pipe: the keeper's read end, the children's write end
    apr_proc_t* keeper = nullptr;    // used in the parent
    const server_rec* server = nullptr;
    // Switches this process to the current images; if another thread does so already, returns at once.
    void (*follow_now)() noexcept = nullptr;
};

}  // namespace mtls::httpd
