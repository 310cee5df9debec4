// Checks of the whole configuration: what is legal line by line and senseless together, each finding with its place.
#pragma once

#include <vector>

#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

// check_config, post_config, test_config (DUMP_MTLS_POLICY).
void register_start_hooks();

}  // namespace mtls::httpd
