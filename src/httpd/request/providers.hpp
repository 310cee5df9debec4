// The same decision as authorization provider (Require mtls-*) and as authentication (AuthType MTLS).
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Runs httpd's authorization, logins included, if httpd skipped it because the merged configuration equals the
// parent's. Returns OK or a status.
int authorize_again(request_rec* r);

// For AuthType MTLS: takes away a user that another module set without a login.
void hook_authentication();

void register_providers(apr_pool_t* pool);

}  // namespace mtls::httpd
