// How a request is decided: one function, its steps in their order. The first that fails names the reason.
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

// The value of a capture in one request: a capture that is not there, or empty, matches no name.
struct Capture {
    std::string_view name;
    std::string_view value;
    unsigned pattern = 0;  // as in NameReference: two sections may give one name to different groups
};

// What speaks against the path itself.
struct Objection {
    Reason reason;  // kBadPath, kNestedGate
    std::string detail;
};

// One request. Borrows everything.
struct Ask {
    const Objection* place = nullptr;  // step 1
    // Steps 2 and 3: kNoTls, kFrontNotTrusted, kNoCertificate; and kPolicyUnavailable.
    Reason missing = Reason::kGranted;
    std::string_view missing_detail = {};
    const Identification* who = nullptr;  // steps 4 to 9; null only where something is missing
    std::string_view address = {};        // of the client, for MTLSNetwork: raw, 4 or 16 bytes; empty: it has none
    bool is_from_anywhere = false;        // skips MTLSNetwork: expectations and tools may name no address
    RequestLine line = {};
    std::span<const std::string> readings = {};  // other paths that a backend may read in its place
    std::span<const Capture> captures = {};      // of the gate's own sections
};

struct Decision {
    Reason reason = Reason::kInternalError;
    std::string detail = {};
    const GateRule* rule = nullptr;     // that decided, if one did
    const GrantedPath* path = nullptr;  // behind a by-grant rule; borrowed from `who`

    bool granted() const { return reason == Reason::kGranted; }
};

// `out` must be default-constructed. Throws std::bad_alloc alone.
void decide(const Gate& gate, const Ask& ask, Decision& out);
inline Decision decide(const Gate& gate, const Ask& ask) {
    Decision out;
    decide(gate, ask, out);
    return out;
}

}  // namespace mtls
