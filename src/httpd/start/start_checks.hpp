// Reads and checks the whole configuration at start, builds the first policy, and decides whether errors stop the
// server.
#pragma once

#include "httpd/config/config.hpp"

namespace mtls::httpd {

// Hooks: pre_config, check_config, post_config, test_config (DUMP_MTLS_POLICY).
void register_start_hooks();

}  // namespace mtls::httpd
