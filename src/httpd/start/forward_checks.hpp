// Checks of MTLSForward when the server starts: it warns of RequestHeader lines that change the same headers or do its
// work, and of attributes that no partner defines.
#pragma once

#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

// Adds a warning for each RequestHeader line that changes a header of MTLSForward, or sets one from the partner, and
// for each attr.NAME that no partner has.
void check_forwarding(const Policy& policy, std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
