// MTLS_*: what the application and the configuration behind the gate are told, in the request's environment.
#pragma once

#include <span>

#include "mtls_authz/httpd/decide/request_state.hpp"

namespace mtls::httpd {

struct Decision;

// After a grant: MTLS_DECISION, MTLS_PARTNER and MTLS_VIA (of a front), the partner's attributes, and what MTLSEnv All
// adds.
std::span<const Variable> granted_variables(request_rec* r, const Decision& decision, bool all);

// Puts these, and no others, in the place of whatever bears such a name; `with_redirects`: or bore it in the request
// that a redirect came from.
SetVariables set_variables(request_rec* r, std::span<const Variable> variables, bool with_redirects);
// Whether they stand there still, and nobody has added others since.
bool stand_as_set(const request_rec* r, const SetVariables& set) noexcept;

}  // namespace mtls::httpd
