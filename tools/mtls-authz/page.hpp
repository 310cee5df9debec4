// A policy as one page that an auditor can keep: HTML without scripts and without anything from elsewhere.
#pragma once

#include <string>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

std::string page_of(const Policy& policy);

}  // namespace mtls::tool
