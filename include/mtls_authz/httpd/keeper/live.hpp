// What the policy's coming and going means in each process: the server's parent begins it, the keeper goes on with it
// (keeper.hpp), and the children follow.
#pragma once

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// What it means that there is no policy.
constexpr const char* kAllClosed =
    "no policy is in force, so every gate is closed (policy-unavailable) until the policy files are mended";

// Before the policy is built: finds or makes what the processes have in common.
int open_board(server_rec* s);
void log_findings(const server_rec* s, const std::vector<Diagnostic>& findings);
// Hooks: post_config (mod_watchdog, and last of all), child_init, monitor.
void register_live_hooks();

}  // namespace mtls::httpd
