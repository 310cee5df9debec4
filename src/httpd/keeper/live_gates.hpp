// Maps the gates of httpd.conf for mtls-authz --live, from httpd's own configuration structures.
#pragma once

#include "httpd/config/config.hpp"
#include "mtls_authz/keeper/gate_map.hpp"

namespace mtls::httpd {

// Call it after the configuration is read and mod_ssl has its contexts.
GateMap map_gates(server_rec* main_server);

}  // namespace mtls::httpd
