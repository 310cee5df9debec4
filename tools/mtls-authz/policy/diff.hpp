// The differences between two policies that affect decisions.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// "acme gains: MTLSGrant ...", one a difference.
std::vector<std::string> differences(const Policy& before, const Policy& after);

}  // namespace mtls::tool
