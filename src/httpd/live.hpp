// What the policy's coming and going means in each process: the server's parent begins it, the keeper goes on with it
// (keeper.hpp), and the children follow.
#pragma once

#include "httpd.hpp"
#include "mtls_authz/live_policy.hpp"

namespace mtls::httpd {

struct Live {
    explicit Live(const std::string& server_root) : policy(server_root) {}

    LivePolicy policy;
    KeeperBoard* board = nullptr;    // never null once requests are served
    bool has_follower = false;       // a thread of each child; without it, the next request or connection moves it
    int wakes_keeper[2] = {-1, -1};  // a pipe: what it reads, and what children write to
    apr_proc_t* keeper = nullptr;    // in the server's parent
    const server_rec* server = nullptr;
};

// What it means that there is no policy.
constexpr const char* kAllClosed =
    "no policy is in force, so every gate is closed (policy-unavailable) until the policy files are mended";

// Before the policy is built: finds or makes what the processes have in common.
int open_board(server_rec* s);
void log_findings(const server_rec* s, const std::vector<Diagnostic>& findings);
// Moves to what is in force now; where another thread is at it, this one goes on with what it has. Kept apart from what
// each request does: only a change leads here.
[[gnu::cold, gnu::noinline]] void follow_now() noexcept;

// Hooks: post_config (mod_watchdog, and last of all), child_init, monitor.
void register_live_hooks();

}  // namespace mtls::httpd
