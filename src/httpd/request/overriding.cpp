#include "httpd/request/overriding.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "httpd/decide/request_state.hpp"
#include "httpd/request/forward.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/override_header.hpp"

namespace mtls::httpd {

namespace {

bool holds(const apr_table_t* table, Overrides what) noexcept {
    const auto fields = entries_of(table);
    return std::any_of(fields.begin(), fields.end(), [what](const apr_table_entry_t& field) {
        return may_override(*field.key) && overrides(field.key) == what;
    });
}

void remove(apr_table_t* table, Overrides what) {
    if (table == nullptr || !holds(table, what)) return;
    std::vector<const char*> names;
    for (const apr_table_entry_t& field : entries_of(table)) {
        if (overrides(field.key) == what) names.push_back(field.key);
    }
    for (const char* const name : names) apr_table_unset(table, name);
}

constexpr const char* kJudgedHeaders[] = {"Destination", "Depth", "Overwrite"};
static_assert(std::size(kJudgedHeaders) == std::tuple_size_v<JudgedHeaders>);

bool is_method_judged(const DirConfig& config) { return traits_of(config).methods || config.requires_grant; }

[[gnu::noinline]] int remove_path_overrides(request_rec* r) {
    return guarded(r, [&] {
        if (!server_config(r->server).has_gates) return DECLINED;
        remove(r->headers_in, Overrides::kPath);
        if (has_method_override(r)) request_state(r).overrides_method = true;
        return DECLINED;
    });
}

// The common case: no header starts like one of those.
extern "C" int on_headers_read(request_rec* r) {
    bool may_be_there = false;
    for (const apr_table_entry_t& field : entries_of(r->headers_in)) may_be_there |= may_override(*field.key);
    return may_be_there ? remove_path_overrides(r) : DECLINED;
}

}  // namespace

bool has_method_override(const request_rec* r) noexcept { return holds(r->headers_in, Overrides::kMethod); }

void remove_method_overrides(request_rec* r) { remove(r->headers_in, Overrides::kMethod); }

JudgedHeaders judged_headers(const request_rec* r) {
    JudgedHeaders out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = apr_table_get(r->headers_in, kJudgedHeaders[i]);
    return out;
}

bool is_judged_header(std::string_view name) noexcept {
    return std::any_of(std::begin(kJudgedHeaders), std::end(kJudgedHeaders),
                       [name](const char* judged) { return equal_nocase(judged, name); });
}

void remove_overrides_in_trailers(request_rec* r, const JudgedHeaders& judged) {
    const bool has_gates = server_config(r->server).has_gates, is_by_method = is_method_judged(dir_config(r));
    for (apr_table_t* const table : {r->headers_in, r->trailers_in}) {
        if (has_gates) remove(table, Overrides::kPath);
        if (is_by_method) remove(table, Overrides::kMethod);
    }
    for (std::size_t i = 0; has_gates && i < judged.size(); ++i) {
        for (apr_table_t* const table : {r->headers_in, r->trailers_in}) apr_table_unset(table, kJudgedHeaders[i]);
        if (judged[i] != nullptr) apr_table_setn(r->headers_in, kJudgedHeaders[i], judged[i]);
    }
}

void hook_path_overrides() {
    if (std::exchange(state().removes_path_headers, true)) return;
    ap_hook_post_read_request(on_headers_read, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    hook_merged_trailers();
}

}  // namespace mtls::httpd
