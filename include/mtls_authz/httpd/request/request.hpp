// One request's way through the module: decided in the access checker, asserted in fixups.
#pragma once

#include "mtls_authz/httpd/decide/deciding.hpp"
#include "mtls_authz/httpd/decide/request_state.hpp"

namespace mtls::httpd {

// What the decision, a grant, hands over; kept in the request.
void hand_over(request_rec* r, RequestState& request, const Decision& decision);

void register_request_hooks();
// What only some configurations need, so that others do not pay for it; httpd sorts its hooks once more after it has
// read the directives.
void hook_handlers();    // listings and the status page; asked in pre_config
void hook_captures();    // rules with captures
void hook_comparison();  // MTLSAuthz LogOnly

}  // namespace mtls::httpd
