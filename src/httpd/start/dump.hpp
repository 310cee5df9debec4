// httpd -t -D DUMP_MTLS_POLICY: the effective policy in policy-file syntax, and every gate as a comment.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

void dump_policy(apr_pool_t* pool);

}  // namespace mtls::httpd
