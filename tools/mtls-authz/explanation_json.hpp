// What explain says, for machines.
#pragma once

#include <string>
#include <vector>

#include "explanation.hpp"
#include "facts_json.hpp"

namespace mtls::tool {

// `left`: what was not asked.
Json explanation_json(const Policy& policy, const Explanation& told, const std::vector<std::string>& left);

}  // namespace mtls::tool
