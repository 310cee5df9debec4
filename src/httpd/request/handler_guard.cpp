#include "httpd/request/handler_guard.hpp"

#include "httpd/config/config.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

int refuse_unasserted(request_rec* r) {
    const RequestState* const request = find_state(r);
    const bool is_denied = request != nullptr && request->denied_for;
    if (!is_denied && !is_guarded(r)) return DECLINED;
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        "mtls_authz: %s \"%s\": a module runs the handler of a request that authorization did not let in: 403",
        escape_for_log(r->method, kMostNameBytes).c_str(),
        escape_for_log(r->uri != nullptr ? r->uri : "", kMostPathBytes).c_str());
    return HTTP_FORBIDDEN;
}

[[gnu::noinline]] int guard_handler(request_rec* r, bool is_asserted) {
    return guarded(r, [&] {
        const int status = is_asserted ? DECLINED : refuse_unasserted(r);
        if (status == DECLINED && r->method_number != M_GET) request_state(r).is_served = true;
        return status;
    });
}

// The common case: asserted in fixups, and read only.
extern "C" int on_any_handler(request_rec* r) {
    const RequestState* const request = find_state(r);
    const bool is_asserted = request != nullptr && request->fixups_done;
    return is_asserted && r->method_number == M_GET ? DECLINED : guard_handler(r, is_asserted);
}

}  // namespace

void hook_handler_guard() {
    static const char* const kBeforeCache[] = {"mod_cache.c", nullptr};
    ap_hook_handler(on_any_handler, nullptr, kBeforeCache, APR_HOOK_REALLY_FIRST);
}

}  // namespace mtls::httpd
