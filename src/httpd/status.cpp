#include "status.hpp"

#include "config.hpp"
#include "mtls_authz/html.hpp"
#include "mtls_authz/negotiation.hpp"
#include "mtls_authz/status_report.hpp"
#include "mtls_authz/text.hpp"

extern "C" {
#include <mod_status.h>
}

namespace mtls::httpd {

namespace {

StatusReport report_for(const request_rec* r) {
    const auto snapshot = state().snapshot();
    StatusReport out = collect_status(*state().ledger, snapshot, state().live.policy.in_force_since(), state().late,
                                      apr_time_sec(apr_time_now()));
    out.keeper_is_up = state().live.board->is_kept();
    out.host = r->server->server_hostname != nullptr ? r->server->server_hostname : "-";
    return out;
}

enum class Format { kPrometheus, kJson, kHtml };

// By `?format=`; else a browser gets a page, and everybody else metrics. Nothing for a format that there is not.
std::optional<Format> format_for(const request_rec* r) {
    const std::string_view query = r->args != nullptr ? r->args : "";
    for (const std::string_view part : split(query, '&')) {
        constexpr std::string_view kKey = "format=";
        if (!part.starts_with(kKey)) continue;
        const std::string_view wanted = part.substr(kKey.size());
        if (wanted == "json") return Format::kJson;
        if (wanted == "html") return Format::kHtml;
        if (wanted == "prometheus") return Format::kPrometheus;
        return std::nullopt;
    }
    const char* const accept = apr_table_get(r->headers_in, "Accept");
    const bool html = prefers_html(accept != nullptr ? accept : "", {"text/plain", "application/openmetrics-text"});
    return html ? Format::kHtml : Format::kPrometheus;
}

std::string represent(request_rec* r, Format format) {
    const StatusReport report = report_for(r);
    switch (format) {
        case Format::kJson:
            ap_set_content_type(r, "application/json");
            return status_json(report);
        case Format::kHtml:
            ap_set_content_type(r, "text/html; charset=utf-8");
            apr_table_set(r->headers_out, "Content-Security-Policy",
                          (html_policy(kStatusStyle) + "; frame-ancestors 'none'").c_str());
            apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
            return status_page(report);
        case Format::kPrometheus:
            break;
    }
    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    return prometheus_text(report);
}

int answer(request_rec* r) {
    if (!dir_config(r).status.value_or(false)) return HTTP_NOT_FOUND;
    if (r->method_number != M_GET) {
        r->allowed |= AP_METHOD_BIT << M_GET;
        return HTTP_METHOD_NOT_ALLOWED;
    }
    const auto format = format_for(r);
    if (!format) return HTTP_BAD_REQUEST;
    const std::string body = represent(r, *format);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_mergen(r->headers_out, "Vary", "Accept");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    ap_set_content_length(r, static_cast<apr_off_t>(body.size()));
    if (r->header_only == 0) ap_rwrite(body.data(), static_cast<int>(body.size()), r);
    return OK;
}

// A section of mod_status's page: numbers alone, no names.
int add_to_server_status(request_rec* r, int flags) {
    const StatusReport report = report_for(r);
    StatusReport::Counts all{};
    for (const auto& status : report.reasons) {
        for (std::size_t i = 0; i < all.size(); ++i) all[i] += status.counts[i];
    }
    const char* const generation = report.generation.empty() ? "none" : report.generation.c_str();
    const auto n = [](std::uint64_t value) { return static_cast<apr_uint64_t>(value); };
    if ((flags & AP_STATUS_SHORT) != 0) {
        ap_rprintf(r,
                   "MtlsAuthzGeneration: %s\nMtlsAuthzPartners: %" APR_SIZE_T_FMT
                   "\nMtlsAuthzPolicyRefused: %d\n"
                   "MtlsAuthzAllowed: %" APR_UINT64_T_FMT "\nMtlsAuthzDenied: %" APR_UINT64_T_FMT
                   "\nMtlsAuthzWouldDeny: %" APR_UINT64_T_FMT "\n",
                   generation, report.partners_in_policy, report.refused_since != 0 ? 1 : 0, n(all[0]), n(all[1]),
                   n(all[2]));
        return OK;
    }
    ap_rprintf(r,
               "<hr />\n<h2>mod_mtls_authz</h2>\n<dl>\n<dt>Policy: generation %s, %" APR_SIZE_T_FMT
               " partner(s)%s</dt>\n<dt>Decisions: %" APR_UINT64_T_FMT " allowed, %" APR_UINT64_T_FMT
               " denied, %" APR_UINT64_T_FMT " would be denied</dt>\n</dl>\n",
               generation, report.partners_in_policy,
               report.refused_since != 0 ? "; its files as they are now are refused: see the error log" : "", n(all[0]),
               n(all[1]), n(all[2]));
    return OK;
}

extern "C" int on_server_status(request_rec* r, int flags) {
    return guarded(r->server, DECLINED, [&] { return add_to_server_status(r, flags); });
}

}  // namespace

int answer_status(request_rec* r) {
    return guarded(r, [&] { return answer(r); });
}

void register_status_hooks() {
    APR_OPTIONAL_HOOK(ap, status_hook, on_server_status, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
