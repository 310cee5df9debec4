// SetHandler mtls-authz-status: the counters as metrics, JSON and a page.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

constexpr std::string_view kStatusHandler = "mtls-authz-status";

// Answers a request for this handler.
int answer_status(request_rec* r);

// Adds a section to mod_status's page.
void register_status_hooks();

}  // namespace mtls::httpd
