// Checks of a policy against httpd.conf, at start and for each new policy.
#pragma once

#include <vector>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

// Reports partners and groups that gates name and the policy does not define. An undefined partner in MTLSDeny is an
// error, because the gate denies everybody (missing_partner()). Every other undefined name is a warning, also that of a
// group in MTLSDeny: the gate then denies nobody by that name.
void check_gate_names(const Policy& policy, std::vector<Diagnostic>& findings);

// Reports partners whose MTLSPurpose serverAuth ends soon by MTLSWarn.
void check_purposes(const Policy& policy, std::vector<Diagnostic>& findings);

// Warns of names in MTLSAcceptFront that the policy does not define, and of fronts that no section accepts.
void check_fronts(const Policy& policy, std::vector<Diagnostic>& findings);

// Warns of anchors that mod_ssl does not trust where a gate needs it: their partners fail in the handshake, before any
// gate. Not of a host all of whose gates accept fronts, except for the fronts themselves. Call it after mod_ssl has its
// contexts.
void check_anchors(const server_rec* main_server, const Policy& policy, std::vector<Diagnostic>& findings);

}  // namespace mtls::httpd
