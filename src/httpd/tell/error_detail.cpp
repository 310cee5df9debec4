#include "httpd/tell/error_detail.hpp"

#include "httpd/decide/deciding.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/negotiation.hpp"
#include "mtls_authz/tell/problem.hpp"

extern "C" {
#include <mod_core.h>
}

namespace mtls::httpd {

namespace {

constexpr const char* kFilter = "MTLS_AUTHZ_PROBLEM";

// The reason if this module denied the request and the client may see it.
std::optional<Reason> reason_to_tell(request_rec* r) {
    const bool has_document = ap_response_code_string(r, ap_index_of_response(r->status)) != nullptr;
    void* const state = ap_get_module_config(r->request_config, &mtls_authz_module);
    if (r->status != HTTP_FORBIDDEN || has_document || state == nullptr) return std::nullopt;
    if (!dir_config(r).error_detail.value_or(false)) return std::nullopt;
    const auto& denial = static_cast<const RequestState*>(state)->denied_for;
    return denial ? std::optional(denial->reason) : std::nullopt;
}

// With a front, show only the forwarded certificate: clients must not see the front's own.
bool is_callers_own(const Caller& d) {
    const Partner* const partner = d.who != nullptr ? d.who->partner : nullptr;
    const bool is_fronts = partner != nullptr && partner->front() != nullptr;
    return d.handed != nullptr || (d.missing != Reason::kFrontNotTrusted && !is_fronts);
}

Problem problem_of(request_rec* r, Reason reason) {
    Problem out;
    out.status = r->status;
    out.reason = reason;
    out.request_id = request_id_of(r);
    Caller caller;
    identify(r, caller);
    if (front_alone(r, caller) != nullptr) out.reason = Reason::kNoCertificate;
    if (caller.certificate == nullptr || !is_callers_own(caller)) return out;
    out.certificate = caller.certificate->text();
    return out;
}

// The whole body; also sets its headers.
std::string represent(request_rec* r, Reason reason) {
    const Problem problem = problem_of(r, reason);
    const char* const accept = apr_table_get(r->headers_in, "Accept");
    const bool html = prefers_html(accept != nullptr ? accept : "", {"application/problem+json", "application/json"});
    ap_set_content_type(r, html ? "text/html; charset=utf-8" : "application/problem+json");
    apr_table_t* const headers = r->err_headers_out;
    apr_table_setn(headers, "Cache-Control", "no-store");
    apr_table_mergen(headers, "Vary", "Accept");
    apr_table_setn(headers, "X-Content-Type-Options", "nosniff");
    if (!html) return problem_json(problem);
    apr_table_set(headers, "Content-Security-Policy",
                  (html_policy(kProblemStyle) + "; frame-ancestors 'none'").c_str());
    return problem_page(problem);
}

// Replaces httpd's own error text, which passes through this filter.
apr_status_t replace_body(ap_filter_t* f, apr_bucket_brigade* brigade) {
    auto* const reason = static_cast<std::optional<Reason>*>(f->ctx);
    apr_bucket* next = nullptr;
    for (apr_bucket* b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (!APR_BUCKET_IS_METADATA(b) || APR_BUCKET_IS_EOS(b)) apr_bucket_delete(b);
    }
    if (*reason) {
        const std::string body = represent(f->r, **reason);
        reason->reset();
        ap_set_content_length(f->r, static_cast<apr_off_t>(body.size()));
        apr_bucket_alloc_t* const allocator = f->c->bucket_alloc;
        APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_eos_create(allocator));
        APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_heap_create(body.data(), body.size(), nullptr, allocator));
    }
    return APR_BRIGADE_EMPTY(brigade) ? APR_SUCCESS : ap_pass_brigade(f->next, brigade);
}

extern "C" apr_status_t on_problem_filter(ap_filter_t* f, apr_bucket_brigade* brigade) {
    return guarded(f->r->server, APR_EGENERAL, [&] { return replace_body(f, brigade); });
}

extern "C" void on_insert_error_filter(request_rec* r) {
    guarded(r, [&] {
        const auto reason = reason_to_tell(r);
        if (reason) {
            ap_add_output_filter(kFilter, pool_new<std::optional<Reason>>(r->pool, reason), r, r->connection);
        }
        return OK;
    });
}

}  // namespace

const char* request_id_of(request_rec* r) {
    const char* const unique = apr_table_get(r->subprocess_env, "UNIQUE_ID");
    if (unique != nullptr) return unique;
    if (r->log_id == nullptr) ap_run_generate_log_id(r->connection, r, &r->log_id);
    return r->log_id != nullptr ? r->log_id : "-";
}

void register_error_detail_hooks() {
    ap_hook_insert_error_filter(on_insert_error_filter, nullptr, nullptr, APR_HOOK_LAST);
    ap_register_output_filter(kFilter, on_problem_filter, nullptr, AP_FTYPE_CONTENT_SET);
}

}  // namespace mtls::httpd
