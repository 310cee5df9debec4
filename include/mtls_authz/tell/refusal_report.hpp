// Which seen partners the lines of revocation files refuse, for the log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

// Describes at most ten MTLSRevoke and MTLSSuspend lines, then the number of further ones: "/etc/rev.conf:1 refuses
// acme, last seen 11:16; /etc/rev.conf:2 fits nobody seen so far". Times of today are local, like the error log's;
// others have their date. Each line is tested against the kept certificates. Linear in lines and partners seen.
std::string describe_refusals(const std::vector<Directive>& lines, const Policy& policy, const Sightings& sightings,
                              std::int64_t now);

// The seen partners whose certificates a CRL lists, without those that are marked as revoked: "CRLs refuse acme, last
// seen 11:16", or "".
std::string describe_listed(const CrlSet& crls, const Policy& policy, const Sightings& sightings, std::int64_t now);

// Lines as they were written: "revoked/stop.conf:3 MTLSSuspend acme"; at most ten, then a count.
std::string list_refusals(const std::vector<Directive>& lines);

}  // namespace mtls
