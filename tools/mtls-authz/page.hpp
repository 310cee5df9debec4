// A policy as one HTML page for auditors: no scripts, no external resources.
#pragma once

#include <string>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

std::string page_of(const Policy& policy);

}  // namespace mtls::tool
