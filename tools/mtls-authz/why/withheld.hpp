// What the policy and the gates keep from a partner on purpose, and a line for one denial would give it.
#pragma once

#include <string>

#include "log_line.hpp"
#include "mtls_authz/keeper/gate_map.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// A grant with this path and method that this certificate has no part in: its `if` or a certificate field does not fit,
// or its path names another partner. A clause about it, or "".
std::string withheld_grant(const Policy& policy, const Partner& partner, const LogLine& log_line);

// The grant at FILE:LINE, and whether all partners have it; null if there is none.
struct PlacedGrant {
    const Grant* grant = nullptr;
    bool is_of_everybody = false;
};
PlacedGrant grant_at(const Policy& policy, const Partner& partner, const std::string& place);

// The section that has the gate at FILE:LINE, by a rule or as a whole; null if there is none.
const MappedSection* section_at(const GateMap& gates, const std::string& place);

// A rule of this section that keeps the partner out of a part of it: a path with the name of another one, a group that
// it belongs to by some of its certificates. A clause about it, or "".
std::string withheld_by_gate(const MappedSection& section, const Partner& partner);

// The same for `Require mtls-group` with these names, also in quotes.
std::string withheld_group(const Partner& partner, const std::vector<std::string>& groups);

}  // namespace mtls::tool
