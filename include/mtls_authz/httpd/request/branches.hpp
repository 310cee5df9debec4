// Whether it is a Require mtls-* that lets a request in. httpd says of its containers only what came out at the end: a
// requirement that held may stand in a <RequireAll> that failed, beside a password that held.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Whether a requirement of this module holds; nothing is logged or counted.
using HoldsQuietly = bool (*)(request_rec* r, const void* requirement);

// One line or container of httpd's authorization, read as mod_authz_core reads it.
struct AuthzNode {
    enum class Kind { kAll, kAny, kLine };
    Kind kind = Kind::kLine;
    bool negated = false;
    std::vector<AuthzNode> children;
    const char* name = nullptr;  // of the line's provider; what follows is of a line alone
    const char* args = nullptr;
    const authz_provider* provider = nullptr;
    const void* parsed = nullptr;
    HoldsQuietly holds = nullptr;  // set for this module's own
};

// Reads a line of this module's own: `parsed` and `holds`, or false where `node` is another's.
using ReadOwn = bool (*)(cmd_parms* cmd, AuthzNode& node);

// What has to hold beside one Require line for it to let a request in.
struct Branch {
    // All that stand with it in a <RequireAll>, or in one around it.
    std::vector<AuthzNode> companions;
    bool has_alternatives = false;  // of such a <RequireAll>: a grant does not prove that it held
    bool is_negated = false;        // behind `not` or in <RequireNone>: it never lets anybody in
    bool is_alias = false;          // in <AuthzProviderAlias>: where it is used is not known
};

Branch read_branch(cmd_parms* cmd, ReadOwn read_own);

// Whether the line, which holds and is being asked now, is what lets the request in, if anything does. Never certain
// where sections were merged in a way that undoes that; then it does not.
bool lets_in(request_rec* r, const Branch& branch);

}  // namespace mtls::httpd
