// Nothing that was decided may be stored: a cache would hand it to whoever asks next.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Neither here nor in whatever includes or leads here. Does nothing where no module stores answers.
void forbid_caching(request_rec* r);

// Looks for such modules; in pre_config, when all are loaded and hooks are still to be sorted.
void hook_caching();

}  // namespace mtls::httpd
