// SetHandler mtls-authz-status: what the module counts, as Prometheus reads it.
#pragma once

#include "httpd.hpp"

namespace mtls::httpd {

void register_status_hooks();

}  // namespace mtls::httpd
