// MTLSForward: passes certificate and partner to the backend in header fields that clients cannot set. Removes the
// fronts' fields (front.hpp) from requests too, and forwards none of them.
#pragma once

#include <string>
#include <vector>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls::httpd {

// One header that MTLSForward sets.
struct ForwardedHeader {
    enum class Holds { kRfc9440, kPem, kPemUrl, kDer, kXfcc, kPartner, kGroups, kAttribute };
    Holds holds;
    std::string name;       // kRfc9440 has a second one, Client-Cert-Chain
    std::string attribute;  // kAttribute: NAME of MTLSAttribute
};

// One MTLSForward line.
struct ForwardRule {
    std::vector<ForwardedHeader> headers;  // empty: Off
    Where where;
};

// Parses the arguments of MTLSForward.
Result<std::vector<ForwardedHeader>> parse_forward(const char* args);
// header_key() of each header that a line sets; an error if a backend could confuse two of them.
Result<std::vector<std::string>> keys_of(const std::vector<ForwardedHeader>& headers);

struct RequestDecision;

// The fields for the backend after this grant, in the request's pool; null if there are none.
[[gnu::noinline]] apr_table_t* forwarded_fields(request_rec* r, const RequestDecision& decision);

// Removes every field of such a name from the request.
void remove_forwarded(request_rec* r);
// The same, and sets `fields` (null: none) in their place.
void forward(request_rec* r, const apr_table_t* fields);

// Checks trailers for forbidden fields. Hooked only if a directive needs it: httpd sorts its hooks again after reading
// the configuration.
void hook_trailers();
// The same in a server where MergeTrailers makes headers of them. For the policy's directives: it may have fronts.
void hook_merged_trailers();

// Hooks: post_read_request, insert_filter.
void register_forward_hooks();

const char* on_forward(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
