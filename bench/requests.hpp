// What rules cost on a connection that is known, and on a new one.
#pragma once

#include "policies.hpp"
#include "report.hpp"

namespace bench {

// A request behind a gate, with what hangs on it, and outside of all.
void measure_requests(Report& report, Pki& pki);
// The same gate with a policy of this many identities.
void measure_sizes(Report& report, Pki& pki, const std::vector<int>& sizes);
// httpd's own rules, nginx and HAProxy.
void measure_peers(Report& report, Pki& pki);
// Handshakes with one request.
void measure_connections(Report& report, Pki& pki);

}  // namespace bench
