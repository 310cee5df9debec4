// Checks across sections: findings about lines that are each legal but make no sense together, with their place.
#pragma once

#include <vector>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

bool is_main_server(const server_rec* s);

// `DAV svn`.
bool serves_subversion(const ap_directive_t& d);

// Checks the sections of all servers against each other and against the policy, if there is one.
void check_sections(server_rec* main_server, const Policy* policy, std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
