// The same decisions as authorization providers (Require mtls-*) and as authentication (AuthType MTLS).
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Runs httpd's own authorization again, logins included, where it was skipped because the merged configuration is the
// parent's. OK, or a status.
int authorize_again(request_rec* r);

void register_providers(apr_pool_t* pool);

}  // namespace mtls::httpd
