// The hooks that keep the policy live: mod_watchdog looks at the files in every child, and the log says what changed.
#pragma once

#include "httpd.hpp"
#include "mtls_authz/live_policy.hpp"
#include "mtls_authz/shared_state.hpp"

namespace mtls::httpd {

struct Live {
    explicit Live(const std::string& server_root) : policy(server_root) {}

    LivePolicy policy;
    std::unique_ptr<SharedState> shared;  // of all children of this generation of the server
    std::vector<std::string> said;        // of policy files that were refused, since the last ones that were not
};

// What it means that there is no policy.
constexpr const char* kAllClosed =
    "no policy is in force, so every gate is closed (policy-unavailable) until the policy files are mended";

// Hooks: post_config (mod_watchdog, and last of all), child_init.
void register_live_hooks();

}  // namespace mtls::httpd
