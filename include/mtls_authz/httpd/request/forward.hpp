// MTLSForward: hands certificate and partner to the backend in header fields that nobody else can set. What fronts hand
// certificates on in (front.hpp) is taken from requests in the same way, and given to nobody.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// One MTLSForward line.
struct ForwardRule {
    bool rfc9440 = false;        // Client-Cert, Client-Cert-Chain
    std::string pem_header;      // empty: none
    std::string partner_header;  // empty: none

    bool is_off() const { return !rfc9440 && pem_header.empty() && partner_header.empty(); }
};

struct Decision;

// The fields that go to the backend after this grant, in the request's pool; null where there are none.
[[gnu::noinline]] apr_table_t* forwarded_fields(request_rec* r, const Decision& decision);

// Takes whatever claims to be such a field from the request, and puts `fields` (null for none) in their place.
void forward(request_rec* r, const apr_table_t* fields);

// Looks at trailers once they are there, for what headers may not say. Where some directive asks for it: httpd sorts
// its hooks once more after it has read them.
void hook_trailers();

// Hooks: post_read_request, insert_filter.
void register_forward_hooks();

const char* on_forward(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
