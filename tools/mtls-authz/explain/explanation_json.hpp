// The result of explain as JSON.
#pragma once

#include <string>
#include <vector>

#include "../facts_json.hpp"
#include "explanation.hpp"

namespace mtls::tool {

// `left`: checks that were not made.
Json explanation_json(const Policy& policy, const Explanation& explanation, const std::vector<std::string>& left);

// Makes it the answer "unknown", because of `why`.
void set_unknown(Json& answer, const std::string& why);

}  // namespace mtls::tool
