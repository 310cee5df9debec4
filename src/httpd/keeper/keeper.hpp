// The keeper: the process that polls all files, builds images and publishes them. The parent starts it before the
// children, and replaces it when it ends or hangs.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// In the parent, as the last post_config hook. Returns OK or an error.
int start_keeper(apr_pool_t* pconf, server_rec* s);
// In a child: makes the keeper answer a new child.
void wake_keeper() noexcept;
// Hook (monitor): kills a keeper without heartbeat.
extern "C" int watch_keeper(apr_pool_t*, server_rec* s);

}  // namespace mtls::httpd
