// MTLSErrorDetail: what a denied client is told.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// By which the operator finds a request in the logs: mod_unique_id's, where that is loaded; else httpd's own log id
// (%L), made where there is none yet.
const char* request_id_of(request_rec* r);

// Hook: insert_error_filter, so that an ErrorDocument wins.
void register_error_detail_hooks();

}  // namespace mtls::httpd
