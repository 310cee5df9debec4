// What became of a request, told to everybody who wants to know: counters, the error log, the audit log, the status
// page. Nothing here decides.
#pragma once

#include "mtls_authz/httpd/decide/deciding.hpp"
#include "mtls_authz/httpd/decide/request_state.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Nanoseconds of a monotonic clock; 0 where nobody will read how long decisions took.
std::int64_t start_measuring();
std::int64_t nanoseconds_since(std::int64_t start);

// A decision of a gate; LogOnly's is told to the audit log when the request ends. Look-ups that only ask whether
// something may be listed are logged at `debug`, and not counted.
void account_for(request_rec* r, const Decision& decision, Outcome outcome, bool is_lookup);

// What a Require mtls-* or AuthType MTLS found, at `info`. Whether it decides is httpd's business, so it is counted
// when the request ends; a grant only where it is what `lets_in`.
void account_for_provider(request_rec* r, const Decision& decision, const char* requirement, bool lets_in);

}  // namespace mtls::httpd
