// Checks of the whole configuration: what is legal line by line and senseless together, each finding with its place.
#pragma once

#include <vector>

#include "config.hpp"

namespace mtls::httpd {

// Gates that name partners or groups which the policy does not have. At start a denial of an unknown partner is an
// error; later all are warnings.
void check_gate_names(const Policy& policy, std::vector<Diagnostic>& findings);

// Partners whose MTLSPurpose serverAuth ends soon, as MTLSWarn has it.
void check_purposes(const Policy& policy, std::vector<Diagnostic>& findings);

// check_config, post_config, test_config (DUMP_MTLS_POLICY).
void register_start_hooks();

}  // namespace mtls::httpd
