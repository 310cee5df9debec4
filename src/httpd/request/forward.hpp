// MTLSForward: passes certificate and partner to the backend in header fields that clients cannot set. Removes the
// fronts' fields (front.hpp) from requests too, and forwards none of them.
#pragma once

#include <string>

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// One MTLSForward line.
struct ForwardRule {
    bool rfc9440 = false;        // Client-Cert, Client-Cert-Chain
    std::string pem_header;      // empty: none
    std::string partner_header;  // empty: none

    bool is_off() const { return !rfc9440 && pem_header.empty() && partner_header.empty(); }
};

struct RequestDecision;

// The fields for the backend after this grant, in the request's pool; null if there are none.
[[gnu::noinline]] apr_table_t* forwarded_fields(request_rec* r, const RequestDecision& decision);

// Removes every field of such a name from the request, and sets `fields` (null: none) in their place.
void forward(request_rec* r, const apr_table_t* fields);

// Checks trailers for forbidden fields. Hooked only if a directive needs it: httpd sorts its hooks again after reading
// the configuration.
void hook_trailers();

// Hooks: post_read_request, insert_filter.
void register_forward_hooks();

const char* on_forward(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
