// A check at start: who can see the status page.
#pragma once

#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls::httpd {

// Adds a warning for each place where mtls-authz-status answers and no directive restricts who may ask.
void check_status_places(std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
