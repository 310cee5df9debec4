// Certificates as JSON, always valid UTF-8.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls::tool {

using Json = nlohmann::ordered_json;

Json facts_json(const std::string& file, const CertificateFacts& facts);
// With all keys of facts_json() as null, and the reason.
Json unreadable_json(const std::string& file, const std::string& why);

// Bytes that are not UTF-8 become U+FFFD.
std::string one_line(const Json& json);

}  // namespace mtls::tool
