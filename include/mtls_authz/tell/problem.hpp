// What a denied client is told (RFC 9457): why, about its own certificate alone.
#pragma once

#include <string>

#include "mtls_authz/policy/reason.hpp"

namespace mtls {

struct Problem {
    int status = 403;
    Reason reason = Reason::kNotAllowed;  // as decided; what strangers are told may be less
    std::string request_id;               // by which the operator finds the denial in the log
    // The client's own certificate; all empty where it sent none. Text as it stands in there.
    std::string subject;
    std::string issuer;
    std::string serial;
    std::string not_before;
    std::string not_after;
    std::string sha256;
};

// The reason that may be told to the outside: who the partners are, and which CAs are theirs, is nobody's business.
Reason outside_reason(Reason reason);

// application/problem+json, and the same for a browser. `kProblemStyle` goes with the page's policy.
std::string problem_json(const Problem& problem);
std::string problem_page(const Problem& problem);
extern const std::string_view kProblemStyle;

}  // namespace mtls
