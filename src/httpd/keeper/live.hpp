// The live policy in each process: the parent starts it, the keeper updates it (keeper.hpp), and the children follow.
#pragma once

#include "httpd/config/httpd.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls::httpd {

// The consequence of having no policy, for the log.
constexpr const char* kAllClosed =
    "no policy is in force, so every gate is closed (policy-unavailable) until the policy files are mended";

// Before the policy is built: creates or adopts the shared board. False: there is no memory for it.
bool open_board(server_rec* s);
void log_findings(const server_rec* s, const std::vector<Diagnostic>& findings);
// Hooks: post_config (mod_watchdog, and last of all), child_init, monitor.
void register_live_hooks();

}  // namespace mtls::httpd
