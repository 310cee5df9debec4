// What the module says: the denial line of the error log.
#pragma once

#include "request.hpp"

namespace mtls::httpd {

enum class Outcome { kGranted, kDenied, kWouldDeny };

// One line per decision of a gate: denials at `error` (no-certificate at `info`), would-deny at `warn`, grants at
// `debug`. Look-ups that only ask whether something may be listed stay at `debug`.
void log_decision(request_rec* r, const Decision& decision, Outcome outcome, bool is_lookup);

// What a Require or AuthType MTLS found, at `info`: whether it decides is httpd's business.
void log_provider(request_rec* r, const Decision& decision, const char* requirement);

}  // namespace mtls::httpd
