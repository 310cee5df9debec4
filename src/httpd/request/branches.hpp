// Whether a Require mtls-* is what grants a request. httpd reports only the result of its containers: a requirement
// that held may be in a <RequireAll> that failed, while a password granted the request.
#pragma once

#include <string>
#include <vector>

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Evaluates a requirement of this module without logging or counting.
using HoldsQuietly = bool (*)(request_rec* r, const void* requirement);

// One line or container of httpd's authorization, as mod_authz_core reads it.
struct AuthzNode {
    enum class Kind { kAll, kAny, kLine };
    Kind kind = Kind::kLine;
    bool negated = false;
    std::vector<AuthzNode> children;
    const char* name = nullptr;  // the provider's name; this and the members below are for lines only
    const char* args = nullptr;
    const authz_provider* provider = nullptr;
    const void* parsed = nullptr;
    HoldsQuietly holds = nullptr;  // set for this module's providers
};

// Sets `parsed` and `holds` for a provider of this module; false for others.
using ReadOwn = bool (*)(cmd_parms* cmd, AuthzNode& node);

// What else must hold for one Require line to grant a request.
struct Branch {
    // The other nodes of its <RequireAll>, and of those around it.
    std::vector<AuthzNode> companions;
    bool has_alternatives = false;  // such a <RequireAll> has alternatives: a grant does not prove that it held
    bool is_negated = false;        // after `not` or in <RequireNone>: it never grants
};

Branch read_branch(cmd_parms* cmd, ReadOwn read_own);

// Whether a request is denied because this line holds: after `not` or in <RequireNone>, unless both cancel out.
bool is_refusing(const ap_directive_t* line);

// Whether this line, which holds and is being evaluated, is what grants the request, if it is granted. If merged
// sections make that uncertain: false.
bool grants_request(request_rec* r, const Branch& branch);

}  // namespace mtls::httpd
