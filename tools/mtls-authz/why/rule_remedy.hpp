// What to do about not-allowed and method-not-granted: the partner is known, and a gate, grant or Require line denies
// it.
#pragma once

#include <string>

#include "remedy.hpp"

namespace mtls::tool {

// `block`: the partner's, as text for a place.
Edit edit_of_rule(const LogLine& log_line, const std::string& block, const Places& places);

}  // namespace mtls::tool
