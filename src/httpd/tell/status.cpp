#include "httpd/tell/status.hpp"

#include <algorithm>
#include <charconv>

#include "httpd/config/config.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/negotiation.hpp"
#include "mtls_authz/tell/status_report.hpp"

extern "C" {
#include <mod_status.h>
}

namespace mtls::httpd {

namespace {

StatusReport report_for(const request_rec* r) {
    const auto snapshot = state().snapshot();
    const std::int64_t now = apr_time_sec(apr_time_now());
    state().ledger->note_hours(now);
    StatusReport out = collect_status({*state().ledger, snapshot, state().late, state().live.policy.in_force_since(),
                                       state().live.board->is_up(), now});
    out.host = host_name(r->server);
    return out;
}

enum class Format { kPrometheus, kJson, kHtml };

struct Query {
    std::optional<Format> format;  // as requested
    PageQuery page;
};

std::string decoded(const request_rec* r, std::string_view value) {
    char* const text = apr_pstrmemdup(r->pool, value.data(), value.size());
    return ap_unescape_urlencoded(text) == OK ? text : "";
}

template <class Word>
std::optional<std::size_t> index_of(std::string_view word, const Word& words) {
    const auto found = std::find(std::begin(words), std::end(words), word);
    if (found == std::end(words)) return std::nullopt;
    return static_cast<std::size_t>(found - std::begin(words));
}

// `?format=`, `?filter=`, `?q=`, `?from=`. nullopt for an invalid format, filter or number; unknown keys are ignored.
std::optional<Query> read_query(const request_rec* r) {
    static constexpr std::string_view kFormats[] = {"prometheus", "json", "html"};
    Query out;
    for (const std::string_view part : split(r->args != nullptr ? r->args : "", '&')) {
        const std::size_t equals = std::min(part.find('='), part.size());
        const std::string_view key = part.substr(0, equals);
        const std::string_view value = part.substr(std::min(equals + 1, part.size()));
        if (key == "format") {
            const auto format = index_of(value, kFormats);
            if (!format) return std::nullopt;
            out.format = static_cast<Format>(*format);
            out.page.names_format = out.format == Format::kHtml;
        } else if (key == "filter") {
            const auto partners = index_of(value, kPartnerStates);
            if (!partners && value != "all") return std::nullopt;
            if (partners) out.page.state = static_cast<StatusReport::State>(*partners);
        } else if (key == "q") {
            out.page.text = trim(decoded(r, value));
        } else if (key == "from") {
            const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), out.page.from);
            if (wrong != std::errc() || end != value.data() + value.size()) return std::nullopt;
        }
    }
    return out;
}

// HTML for browsers, metrics for all other clients.
Format format_for(const request_rec* r, const Query& query) {
    if (query.format) return *query.format;
    const char* const accept = apr_table_get(r->headers_in, "Accept");
    const bool html = prefers_html(accept != nullptr ? accept : "", {"text/plain", "application/openmetrics-text"});
    return html ? Format::kHtml : Format::kPrometheus;
}

std::string represent(request_rec* r, const Query& query) {
    const StatusReport report = report_for(r);
    switch (format_for(r, query)) {
        case Format::kJson:
            ap_set_content_type(r, "application/json");
            return status_json(report);
        case Format::kHtml:
            ap_set_content_type(r, "text/html; charset=utf-8");
            apr_table_set(r->headers_out, "Content-Security-Policy",
                          (html_policy(kStatusStyle, HasForm::kYes) + "; frame-ancestors 'none'").c_str());
            apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
            return status_page(report, query.page);
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
    const auto query = read_query(r);
    if (!query) return HTTP_BAD_REQUEST;
    const std::string body = represent(r, *query);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_mergen(r->headers_out, "Vary", "Accept");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    ap_set_content_length(r, static_cast<apr_off_t>(body.size()));
    if (r->header_only == 0) ap_rwrite(body.data(), static_cast<int>(body.size()), r);
    return OK;
}

// A section of mod_status's page: numbers only, no names.
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
