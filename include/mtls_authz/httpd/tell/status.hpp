// SetHandler mtls-authz-status: what the module counts, as Prometheus reads it.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

constexpr std::string_view kStatusHandler = "mtls-authz-status";

// A request that this handler is set for.
int answer_status(request_rec* r);

// mod_status's own page.
void register_status_hooks();

}  // namespace mtls::httpd
