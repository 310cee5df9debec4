// Who an unknown partner probably is, by what a log line says of the certificate.
#pragma once

#include <string>
#include <vector>

#include "log_line.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

struct Suspect {
    std::string partner;             // empty unless exactly one partner comes into question
    std::vector<std::string> signs;  // what speaks for which partner
};

// For a line without a partner. A log line holds names and the key that signed, not the certificate: no proof.
Suspect find_suspect(const LogLine& log_line, const Policy& policy);

}  // namespace mtls::tool
