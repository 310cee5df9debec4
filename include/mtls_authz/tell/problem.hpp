// The answer to a denied client (RFC 9457): the reason, about its own certificate only.
#pragma once

#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/policy/reason.hpp"

namespace mtls {

struct Problem {
    int status = 403;
    Reason reason = Reason::kNotAllowed;  // as decided; outside_reason() may hide it
    std::string request_id;               // lets the operator find the denial in the log
    CertificateText certificate;          // the client's own, not escaped; empty if it sent none
};

// The reason to show to clients: it must not reveal who the partners are, or which CAs they use.
Reason outside_reason(Reason reason);

// The body as application/problem+json, and as HTML. `kProblemStyle` is for html_policy().
std::string problem_json(const Problem& problem);
std::string problem_page(const Problem& problem);
extern const std::string_view kProblemStyle;

}  // namespace mtls
