// Reports a request's decision to the counters, the error log, the audit log and the status page. Decides nothing.
#pragma once

#include "httpd/decide/deciding.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Nanoseconds of CLOCK_MONOTONIC; 0 if no one reads durations.
std::int64_t start_measuring();
std::int64_t nanoseconds_since(std::int64_t start);

// Reports a gate's decision; for LogOnly the audit line is written when the request ends. Look-ups that only test
// whether something may be listed are logged at `debug`, and not counted.
void account_for(request_rec* r, const RequestDecision& decision, Outcome outcome, bool is_lookup);

// Reports the result of a Require mtls-* or AuthType MTLS (`directive`, as written), at `info`. httpd decides whether
// it takes effect, so it is counted when the request ends, and a denial is then logged like one of a gate; a grant only
// with `grants`.
void account_for_provider(request_rec* r, const RequestDecision& decision, const char* directive, bool grants);

}  // namespace mtls::httpd
