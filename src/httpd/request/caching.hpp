// Prevents caching of decided responses: a cache would serve them to other clients.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Applies to this request, its main request and its redirects. Does nothing if no module caches responses.
void forbid_caching(request_rec* r);

// Detects caching modules; in pre_config, when all modules are loaded and hooks are not sorted yet.
void hook_caching();

}  // namespace mtls::httpd
