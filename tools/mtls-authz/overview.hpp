// Who may do what where, at a glance: partners by paths, as one table of HTML.
#pragma once

#include <string>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// Goes with overview_of().
extern const char* const kOverviewStyle;

// A section whose rows lead to #p-NAME; "" where nothing is granted. A partner's name as a segment of its own path is
// `%{partner}`: what all have is one column. Where there are more columns than can be read, paths are put together by
// their beginning.
std::string overview_of(const Policy& policy);

}  // namespace mtls::tool
