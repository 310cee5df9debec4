// Checks of the whole configuration: what is legal line by line and senseless together, each finding with its place.
#pragma once

#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

bool is_main_server(const server_rec* s);

// The sections of all servers, beside each other and beside the policy.
void check_sections(server_rec* main_server, const Policy& policy, std::vector<Diagnostic>& findings);

// Once mod_ssl has made its contexts: anchors that it does not know, so that their partners' handshakes fail before any
// gate is asked.
void check_anchors(server_rec* s, std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
