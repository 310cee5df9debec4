#include "httpd/request/caching.hpp"

#include "httpd/config/config.hpp"
#include "httpd/request/providers.hpp"

namespace mtls::httpd {

namespace {

// mod_cache reads no_cache only before it stores the first bytes, while an include is decided later. Without its
// filter, an entry that it started is never completed.
void stop_storing(request_rec* r) {
    for (ap_filter_t* f = r->output_filters; f != nullptr;) {
        ap_filter_t* const next = f->next;
        if (f->frec == state().cache_save || f->frec == state().cache_save_subrequest) ap_remove_output_filter(f);
        f = next;
    }
}

// mod_cache, and other modules named like a response cache; socache modules store other data.
bool is_cache(const module* m) {
    const std::string_view name = m->name;
    return name.find("cache") != std::string_view::npos && name.find("socache") == std::string_view::npos;
}

// Whether the same path may be guarded in another request: MTLSAuthz Off or an <If> may have lifted the gate in this
// one. mod_cache serves an entry before httpd merges the sections of a request.
bool may_be_guarded(request_rec* r) {
    const DirConfig& config = dir_config(r);
    return config.allow != nullptr || config.deny != nullptr || config.section != nullptr ||
           state().has_conditional_sections;
}

// An internal redirect may have reset no_cache since the decision.
int forbid_caching_again(request_rec* r) {
    if (is_guarded(r) || may_be_guarded(r)) forbid_caching(r);
    return OK;
}

extern "C" void on_insert_filter(request_rec* r) {
    guarded(r, [&] { return forbid_caching_again(r); });
}

}  // namespace

void forbid_caching(request_rec* r) {
    // Without a cache, no_cache would only make httpd format an Expires field for each response.
    if (!state().has_cache) return;
    for (; r != nullptr; r = r->main != nullptr ? r->main : r->prev) {
        r->no_cache = 1;
        stop_storing(r);
        if (r->main != nullptr && r->prev != nullptr) forbid_caching(r->prev);
    }
}

void hook_caching() {
    State& s = state();
    for (const module* m = ap_top_module; m != nullptr; m = m->next) s.has_cache = s.has_cache || is_cache(m);
    if (!s.has_cache) return;
    s.cache_save = ap_get_output_filter_handle("CACHE_SAVE");
    s.cache_save_subrequest = ap_get_output_filter_handle("CACHE_SAVE_SUBREQ");
    ap_hook_insert_filter(on_insert_filter, nullptr, nullptr, APR_HOOK_LAST);
}

}  // namespace mtls::httpd
