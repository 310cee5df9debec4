// An HTML table of partners by paths.
#pragma once

#include <string>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// CSS for overview_of().
extern const char* const kOverviewStyle;

// A section whose rows link to #p-NAME; "" if there are no grants. A partner's name in its own path is shown as
// `%{partner}`, so that partners share the column. If there are too many columns, paths are merged by their first
// segment.
std::string overview_of(const Policy& policy);

}  // namespace mtls::tool
