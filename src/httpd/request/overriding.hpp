// Headers with which a client gives the backend another method or path than the decision checked.
#pragma once

#include <array>
#include <string_view>

#include "httpd/config/config.hpp"

namespace mtls::httpd {

// Whether the request has a header that overrides its method. Never throws.
bool has_method_override(const request_rec* r) noexcept;
[[gnu::noinline]] void remove_method_overrides(request_rec* r);

// The same for trailers, which arrive after the decision. Headers that say where and how deep a WebDAV method acts get
// their values of before back.
using JudgedHeaders = std::array<const char*, 3>;
JudgedHeaders judged_headers(const request_rec* r);
bool is_judged_header(std::string_view name) noexcept;
void remove_overrides_in_trailers(request_rec* r, const JudgedHeaders& judged);

// Removes path-overriding headers from every request of a server with a gate: a request for another path could name the
// gated one. Runs before directives of the server's own configuration could set them.
void hook_path_overrides();

}  // namespace mtls::httpd
