// A policy as one HTML page for auditors: no scripts, no external resources.
#pragma once

#include <string>

#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/refusals.hpp"

namespace mtls::tool {

// `refusals`: what revocation files refuse beside the policy; may be null.
std::string page_of(const Policy& policy, const Refusals* refusals);

}  // namespace mtls::tool
