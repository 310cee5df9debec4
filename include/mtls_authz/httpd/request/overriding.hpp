// Headers by which a client names the backend another method or path than those that were decided on.
#pragma once

#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

// Whether the request has a header that overrides its method. Never throws.
bool has_method_override(const request_rec* r) noexcept;
[[gnu::noinline]] void remove_method_overrides(request_rec* r);

// What came after the request was decided, in trailers.
void remove_overrides_in_trailers(request_rec* r);

// Takes headers that override the path from every request of a server with a gate: from elsewhere they would name the
// gated place. Before anything of the server's own configuration could set them.
void hook_path_overrides();

}  // namespace mtls::httpd
