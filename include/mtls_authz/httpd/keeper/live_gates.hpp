// The gates of httpd.conf for mtls-authz --live, read from what httpd itself merges.
#pragma once

#include "mtls_authz/decide/gate_map.hpp"
#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

// Once the configuration is read and mod_ssl has made its contexts.
GateMap map_gates(server_rec* main_server);

}  // namespace mtls::httpd
