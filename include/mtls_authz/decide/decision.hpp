// The decision about a request: one function with fixed steps. The first step that fails gives the reason.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/rules/granted_paths.hpp"

namespace mtls {

// The value of a capture in one request. An absent or empty capture matches no name.
struct Capture {
    std::string_view name;
    std::string_view value;
    unsigned pattern = 0;  // as in NameReference: two sections may use one name for different groups
};

// A fault of the request path.
struct Objection {
    Reason reason;  // kBadPath or kNestedGate
    std::string detail;
};

// The input for one request. Borrows everything.
struct Ask {
    const Objection* objection = nullptr;  // step 1; null: no fault
    // Steps 2 and 3: kNoTls, kFrontNotTrusted, kNoCertificate; or kPolicyUnavailable.
    Reason missing = Reason::kGranted;
    std::string_view missing_detail = {};
    const Identification* who = nullptr;  // steps 4 to 9; null only if `missing` is set
    const Policy* policy = nullptr;       // null only without `who`, or without rules of MTLSDeny
    std::string_view address = {};        // of the client, for MTLSNetwork: 4 or 16 raw bytes; empty: it has none
    bool is_from_anywhere = false;        // skips MTLSNetwork, for expectations and tools without an address
    RequestLine line = {};
    std::span<const std::string> readings = {};  // other paths that a backend may read instead
    std::span<const Capture> captures = {};      // of the gate's own sections
};

struct Decision {
    Reason reason = Reason::kInternalError;
    std::string detail = {};
    const GateRule* rule = nullptr;     // the rule that decided, if one did
    const GrantedPath* path = nullptr;  // the grant that decided, for a by-grant rule; borrowed from `who`

    bool granted() const { return reason == Reason::kGranted; }
};

// How the detail of a denial begins where a recursive WebDAV method has a grant for its path alone.
constexpr const char* kActsBelow = "it also acts on what is below its path";

// The first partner that a rule names and the policy lacks; empty: none. An MTLSDeny with such a name denies everybody:
// where the name is mistyped, or its partner renamed, it would otherwise let in the partner that it is to keep out.
std::string_view missing_partner(const GateRule& rule, const Policy& policy);

// `out` must be default-constructed. Throws only std::bad_alloc.
void decide(const Gate& gate, const Ask& ask, Decision& out);
inline Decision decide(const Gate& gate, const Ask& ask) {
    Decision out;
    decide(gate, ask, out);
    return out;
}

}  // namespace mtls
