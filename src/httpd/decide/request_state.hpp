// State kept with a request, so that it is decided once and reported with its response.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "httpd/config/config.hpp"
#include "httpd/decide/front.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Both strings live at least as long as the request.
struct Variable {
    const char* name;
    const char* value;
};

// Consecutive entries of the request's environment, from index `first` on.
struct SetVariables {
    std::span<const Variable> variables;
    int first = 0;
};

// What a grant gives to the application.
struct Handover {
    const char* partner = nullptr;
    std::span<const Variable> variables;
    apr_table_t* fields = nullptr;  // for MTLSForward; null: none
};

// Result of Require mtls-* or AuthType MTLS, kept until the request is logged.
struct ProviderFinding {
    Reason reason = Reason::kInternalError;
    std::size_t partner = 0;  // the partner's number in the ledger
    std::int64_t duration = -1;
    const Account* account = nullptr;  // null if no log needs it
    std::uint64_t line_key = 0;        // equal for repeats
};

// Why this module denied the request.
struct Denial {
    Reason reason;
    bool by_line = false;  // by a Require mtls-* or AuthType MTLS, not by a gate
};

// Records that are completed at the end of the request, since they include the response.
struct DeferredReports {
    Account* pending = nullptr;                  // for the audit log
    const ProviderFinding* satisfied = nullptr;  // the first of each kind
    const ProviderFinding* refused = nullptr;
};

// The module's state of a request.
struct RequestState {
    const ap_conf_vector_t* decided_for = nullptr;  // `reason` was decided for this merged configuration
    const char* decided_path = nullptr;             // and for this path
    const Handover* handover = nullptr;             // set after a grant by a gate, a provider or AuthType MTLS
    Handover own_handover;                          // storage for `handover` if this request itself was granted
    std::span<const FrontField> front_fields;       // fronts' header fields, as received
    SetVariables variables_set;                     // the MTLS_* variables last set
    std::span<const Capture> captures;              // for captured_for and captured_path
    const ap_conf_vector_t* captured_for = nullptr;
    const char* captured_path = nullptr;
    DeferredReports* deferred = nullptr;  // null for nearly all requests
    const char* own_user = nullptr;       // r->user, if this module set it without a login
    const char* asked_path = nullptr;     // path of `provider_asked`
    const request_rec* lookup = nullptr;  // last subrequest in fixups; alive if this request became it
    const char* lookup_path = nullptr;    // its path, which is then the request's
    bool is_settled = false;              // granted, and fixups only have to check that the grant is unchanged
    bool provider_asked = false;          // a Require mtls-* was evaluated for this request
    bool is_authorizing = false;          // httpd's auth_checker runs inside ours
    bool reaches_below = false;           // a recursive WebDAV method: grants must cover everything below
    bool overrides_method = false;        // a header of the client may replace the method in a backend
    bool is_line_judged = false;          // the path of the request line, as a program reads it in REQUEST_URI
    bool fixups_done = false;
    bool is_served = false;             // its handler has started; not set for GET and HEAD
    bool is_listing = false;            // its handler lists a directory
    bool is_reading = false;            // a copy for another reading of a path, which is not served
    bool is_condition_refused = false;  // of such a copy: a request that <If> looked up for it was denied unread
    std::optional<Denial> denied_for;
    Reason reason = Reason::kInternalError;
};
// Whether the request is neither a subrequest nor an internal redirect, as ap_is_initial_req() says.
inline bool is_initial(const request_rec* r) { return r->main == nullptr && r->prev == nullptr; }

// Null if the request has no state yet.
inline RequestState* find_state(const request_rec* r) {
    return static_cast<RequestState*>(ap_get_module_config(r->request_config, &mtls_authz_module));
}

// Creates the state if the request has none.
inline RequestState& request_state(request_rec* r) {
    RequestState* request = find_state(r);
    if (request == nullptr) {
        request = pool_new<RequestState>(r->pool);
        ap_set_module_config(r->request_config, &mtls_authz_module, request);
    }
    return *request;
}

// Whether the request has passed this module's checks; one that httpd answered with an error before has not.
inline bool was_let_in(const request_rec* r) noexcept {
    const RequestState* const request = find_state(r);
    if (request == nullptr || request->fixups_done) return request != nullptr;
    // The login failed that stands beside the gate.
    const DirConfig& config = dir_config(r);
    return request->decided_for != nullptr && request->reason == Reason::kGranted && config.authorizer == nullptr;
}

// Sets the partner as user. Valid for this request only; satisfies no Require of another request.
inline void set_own_user(request_rec* r, std::string_view partner) {
    r->user = apr_pstrmemdup(r->pool, partner.data(), partner.size());
    request_state(r).own_user = r->user;
}

}  // namespace mtls::httpd
