// MTLSErrorDetail: the reason in the body of a denial.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Identifies the request in the logs: mod_unique_id's, if that is loaded; else httpd's log id (%L), generated if
// needed.
const char* request_id_of(request_rec* r);

// Hook: insert_error_filter, so that an ErrorDocument takes precedence.
void register_error_detail_hooks();

}  // namespace mtls::httpd
