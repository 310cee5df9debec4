#include "httpd/decide/request_state.hpp"

#include "httpd/config/config.hpp"

namespace mtls::httpd {

RequestState& request_state(request_rec* r) {
    RequestState* request = find_state(r);
    if (request == nullptr) {
        request = pool_new<RequestState>(r->pool);
        ap_set_module_config(r->request_config, &mtls_authz_module, request);
    }
    return *request;
}

bool was_let_in(const request_rec* r) noexcept {
    const RequestState* const request = find_state(r);
    if (request == nullptr || request->fixups_done) return request != nullptr;
    // The login failed that stands beside the gate.
    const DirConfig& config = dir_config(r);
    return request->decided_for != nullptr && request->reason == Reason::kGranted && config.authorizer == nullptr;
}

void set_own_user(request_rec* r, std::string_view partner) {
    r->user = apr_pstrmemdup(r->pool, partner.data(), partner.size());
    request_state(r).own_user = r->user;
}

}  // namespace mtls::httpd
