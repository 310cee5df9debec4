// A request's hooks: decided in the access checker, asserted in fixups.
#pragma once

#include "httpd/decide/deciding.hpp"
#include "httpd/decide/request_state.hpp"

namespace mtls::httpd {

// Stores what the decision, a grant, gives to the application, in the request's state.
void hand_over(request_rec* r, RequestState& request, const RequestDecision& decision);

void register_request_hooks();
// Hooks for features that only some configurations use, so that others do not pay for them; httpd sorts its hooks again
// after reading the configuration.
void hook_handlers();    // directory listings and the status page; called in pre_config
void hook_patterns();    // sections with regular expressions; called in pre_config
void hook_captures();    // rules with captures
void hook_comparison();  // MTLSAuthz LogOnly

}  // namespace mtls::httpd
