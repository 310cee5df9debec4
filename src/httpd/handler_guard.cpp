#include "handler_guard.hpp"

#include "config.hpp"
#include "log.hpp"
#include "mtls_authz/text.hpp"
#include "providers.hpp"
#include "request.hpp"

namespace mtls::httpd {

namespace {

[[gnu::noinline]] int refuse_unasserted(request_rec* r) {
    const RequestState* const known = known_state(r);
    const DirConfig& config = dir_config(r);
    const bool is_denied = known != nullptr && known->denied_for;
    if (!is_denied && !has_gate(config) && !config.has_provider && !is_authenticated_here(r)) return DECLINED;
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        "mtls_authz: %s \"%s\": a module runs the handler of a request that authorization did not let in: 403",
        escape_for_log(r->method, kMostNameBytes).c_str(),
        escape_for_log(r->uri != nullptr ? r->uri : "", kMostPathBytes).c_str());
    return HTTP_FORBIDDEN;
}

extern "C" int on_any_handler(request_rec* r) {
    const RequestState* const known = known_state(r);
    if (known != nullptr && known->fixups_done) return DECLINED;
    return guarded(r, [&] { return refuse_unasserted(r); });
}

}  // namespace

void hook_handler_guard() {
    static const char* const kBeforeCache[] = {"mod_cache.c", nullptr};
    ap_hook_handler(on_any_handler, nullptr, kBeforeCache, APR_HOOK_REALLY_FIRST);
}

}  // namespace mtls::httpd
