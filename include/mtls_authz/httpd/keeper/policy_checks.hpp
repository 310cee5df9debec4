// What each policy is asked beside httpd.conf, at start and whenever another one comes into force.
#pragma once

#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

// Gates that name partners or groups which the policy does not have. A denial of a partner that is unknown is an error:
// it would keep out nobody.
void check_gate_names(const Policy& policy, std::vector<Diagnostic>& findings);

// Partners whose MTLSPurpose serverAuth ends soon, as MTLSWarn has it.
void check_purposes(const Policy& policy, std::vector<Diagnostic>& findings);

// Warnings about names that MTLSAcceptFront has and the policy has not, and about fronts that no place accepts.
void check_fronts(const Policy& policy, std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
