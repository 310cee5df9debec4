// The keeper: one process of the server, which looks at all files, builds, and hands out what is in force. The parent
// starts it before the children, and another one when it ends or hangs.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// In the parent, last of all in post_config. OK, or an error.
int start_keeper(apr_pool_t* pconf, server_rec* s);
// In a child that has asked the keeper something.
void wake_keeper() noexcept;
// Hook (monitor): ends a keeper that gives no sign of life.
extern "C" int watch_keeper(apr_pool_t*, server_rec* s);

}  // namespace mtls::httpd
