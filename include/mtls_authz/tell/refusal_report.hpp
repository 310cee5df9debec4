// What lines of revocation files refuse, as far as that is known: for the log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls {

// "/etc/rev.conf:1 refuses acme, last seen 11:16; /etc/rev.conf:2 fits nobody seen so far": of at most ten MTLSRevoke
// and MTLSSuspend lines; then how many more there are. Times of today are local, like those of the error log; others
// have their date. A line is asked about each partner's last certificates. Linear in lines and partners seen.
std::string describe_refusals(const std::vector<Directive>& lines, const Policy& policy, const Sightings& sightings,
                              std::int64_t now);

}  // namespace mtls
