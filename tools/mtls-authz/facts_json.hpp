// Certificates as JSON, always valid UTF-8.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls::tool {

using Json = nlohmann::ordered_json;

Json facts_json(const std::string& file, const CertificateFacts& facts);
// With every key of facts_json(), and why there is nothing behind them.
Json unreadable_json(const std::string& file, const std::string& why);

// Bytes that are no UTF-8 become U+FFFD.
std::string one_line(const Json& json);

}  // namespace mtls::tool
