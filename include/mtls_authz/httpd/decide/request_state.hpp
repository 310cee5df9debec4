// What is kept with a request, so that it is decided once and told with its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/httpd/decide/front.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Both live as long as the request, or longer.
struct Variable {
    const char* name;
    const char* value;
};

// Where they stand in the request's environment: one behind the other.
struct SetVariables {
    std::span<const Variable> variables;
    int first = 0;
};

// What a grant hands to the application.
struct Handover {
    const char* partner = nullptr;
    std::span<const Variable> variables;
    apr_table_t* fields = nullptr;  // of MTLSForward, or null
};

// What Require mtls-* and AuthType MTLS found, until the request is logged.
struct ProviderFinding {
    Reason reason = Reason::kInternalError;
    std::size_t partner = 0;  // as counted
    std::int64_t duration = -1;
    const Account* account = nullptr;  // null where nobody wants it
};

// What waits for the end of the request, because it is told with the answer.
struct Unclosed {
    Account* pending = nullptr;                  // for the audit log
    const ProviderFinding* satisfied = nullptr;  // the first of each kind
    const ProviderFinding* refused = nullptr;
};

// Kept in the request, so that it is decided once.
struct RequestState {
    const ap_conf_vector_t* decided_for = nullptr;  // the merged configuration that `reason` is about
    const char* decided_path = nullptr;             // and for this path
    const Handover* handover = nullptr;             // after a grant by a gate, a provider or AuthType MTLS
    Handover own_handover;                          // what that is where this very request was granted
    std::span<const FrontField> front_fields;       // of fronts, as they were sent
    SetVariables told;                              // MTLS_*, as they were set last
    std::span<const Capture> captures;              // of this request's own match, for:
    const ap_conf_vector_t* captured_for = nullptr;
    const char* captured_path = nullptr;
    Unclosed* unclosed = nullptr;         // nearly always nothing
    const char* own_user = nullptr;       // r->user, where this module has set it: nobody logged in
    const char* asked_path = nullptr;     // where `provider_asked`
    const request_rec* lookup = nullptr;  // the last subrequest that came to fixups; alive where the request became it
    const char* lookup_path = nullptr;    // its path, which is then the request's
    bool is_settled = false;              // granted, and fixups have nothing more to do than to see that this stands
    bool provider_asked = false;          // a Require mtls-* was evaluated for this request
    bool is_authorizing = false;          // httpd's auth_checker runs inside ours
    bool reaches_below = false;           // a WebDAV method that acts on all below: grants have to reach there too
    bool fixups_done = false;
    bool is_served = false;            // its handler has been begun; noted unless it is GET or HEAD
    bool is_listing = false;           // its handler lists a directory
    std::optional<Reason> denied_for;  // why this module denied the request
    Reason reason = Reason::kInternalError;
};
RequestState& request_state(request_rec* r);
// Null where nothing is kept yet.
inline RequestState* known_state(const request_rec* r) {
    return static_cast<RequestState*>(ap_get_module_config(r->request_config, &mtls_authz_module));
}

// Names the partner as the user. It counts for this request alone, and satisfies no Require of another.
void set_own_user(request_rec* r, std::string_view partner);

}  // namespace mtls::httpd
