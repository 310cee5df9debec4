// MTLS_*: variables in the request's environment, for the application and for other directives.
#pragma once

#include <span>

#include "httpd/decide/request_state.hpp"

namespace mtls::httpd {

struct RequestDecision;

// After a grant: MTLS_DECISION, MTLS_PARTNER, MTLS_VIA (with a front), the partner's attributes, and the variables of
// MTLSEnv All.
std::span<const Variable> granted_variables(request_rec* r, const RequestDecision& decision, bool all);

// Replaces all variables with names of ours by these; `with_redirects`: also those that a redirect prefixed with
// REDIRECT_.
SetVariables set_variables(request_rec* r, std::span<const Variable> variables, bool with_redirects);
// Whether these are still the only ones, unchanged.
bool are_unchanged(const request_rec* r, const SetVariables& set) noexcept;

}  // namespace mtls::httpd
