#include "httpd/decide/section_walk.hpp"

#include <apr_fnmatch.h>

#include <algorithm>
#include <stdexcept>

#include "httpd/decide/captures.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/decide/request_state.hpp"

namespace mtls::httpd {

namespace {

void add_rules(std::string& out, const char* word, const GateRules& rules) {
    for (const GateRule& rule : rules) out += word + rule.text() + '\n';
}

// The rules as text, with this request's captures.
std::string rules_of(request_rec* r) {
    const DirConfig& config = dir_config(r);
    std::string out;
    if (config.allow != nullptr) add_rules(out, "allow ", *config.allow);
    for (const DenyChain* chain = config.deny; chain != nullptr; chain = chain->outer) {
        add_rules(out, "deny ", *chain->rules);
    }
    keep_captures(r);
    for (const Capture& capture : request_state(r).captures) out.append(capture.value) += '\n';
    return out;
}

apr_pool_t* new_pool(apr_pool_t* parent) {
    apr_pool_t* pool = nullptr;
    if (apr_pool_create(&pool, parent) != APR_SUCCESS) throw std::bad_alloc();
    return pool;
}

// Whether a <Location> section covers the path, by the same test as ap_location_walk().
bool covers(const core_dir_config& section, const char* path, const char* merged) {
    if (section.r != nullptr) return ap_regexec(section.r, path, 0, nullptr, 0) != AP_REG_NOMATCH;
    if (section.d_is_fnmatch != 0) return apr_fnmatch(section.d, merged, APR_FNM_PATHNAME) == APR_SUCCESS;
    const std::string_view own = section.d, text = merged;
    return text.starts_with(own) &&
           (own.empty() || own.ends_with('/') || text.size() == own.size() || text[own.size()] == '/');
}

AuthorizingSection describe_section(const ap_conf_vector_t* section) {
    const auto* const own = static_cast<const DirConfig*>(ap_get_module_config(section, &mtls_authz_module));
    const GateSection* const gate = own != nullptr ? own->section : nullptr;
    if (gate == nullptr || gate->authorization.empty()) return {section, {}, state().requires_by_path};
    return {section, gate->authorization, gate->requires_by_path};
}

}  // namespace

bool includes(const Guards& own, const Guards& other) {
    if (own.is_unclear || other.is_unclear) return false;
    if ((other.is_gated || other.authorizes) && own.fronts != other.fronts) return false;
    if (other.is_gated && !(own.is_gated && own.rules == other.rules)) return false;
    return !other.authorizes || (own.authorizes && own.authorizing == other.authorizing);
}

SectionWalk::SectionWalk(request_rec* r) : request_(r), pool_(new_pool(r->pool)) {
    for (const char* name : {"mod_authz_core.c", "mod_authn_core.c", "mod_access_compat.c"}) {
        if (module* const found = ap_find_linked_module(name)) authorizers_.push_back(found);
    }
}

Guards SectionWalk::guards_of(const std::string& path) const {
    request_rec r = *request_;
    move_to(r, path);
    RequestState& copy = request_state(&r);
    copy.is_reading = true;
    if (ap_location_walk(&r) != OK) throw std::runtime_error("sections cannot be merged");
    ap_conf_vector_t* const located = r.per_dir_config;
    const auto unconditional = authorization_of(r);
    if (ap_if_walk(&r) != OK) throw std::runtime_error("sections cannot be merged");
    const DirConfig& config = dir_config(&r);
    Guards out;
    out.is_unclear =
        (copy.is_condition_refused && has_deciding_conditions(located)) || find_failed_pattern(&r) != nullptr;
    out.section = config.section;
    out.is_gated = is_enforced(config);
    if (out.is_gated) out.rules = rules_of(&r);
    if (accepts_front(config)) out.fronts = config.fronts->text();
    out.authorizes = authorizes(&r);
    if (out.authorizes) out.authorizing = authorizing_sections(r.uri);
    if (authorization_of(r) == unconditional) return out;
    r.per_dir_config = located;
    const auto conditional = conditional_sections(r);
    if (conditional.empty()) out.authorizing.emplace_back();  // one inside another
    out.authorizing.insert(out.authorizing.end(), conditional.begin(), conditional.end());
    return out;
}

// Allocates every object that the walk writes to for the copy.
void SectionWalk::move_to(request_rec& r, const std::string& path) const {
    apr_pool_t* const pool = pool_.get();
    r.pool = pool;
    r.uri = apr_pstrdup(pool, path.c_str());
    r.parsed_uri.path = r.uri;
    r.per_dir_config = r.server->lookup_defaults;
    r.subprocess_env = apr_table_copy(pool, request_->subprocess_env);
    r.headers_out = apr_table_copy(pool, request_->headers_out);  // <If> records there which fields it read
    auto* const core = static_cast<core_request_config*>(apr_pcalloc(pool, sizeof(core_request_config)));
    core->notes = static_cast<void**>(apr_pcalloc(pool, sizeof(void*) * AP_NUM_STD_NOTES));
    r.request_config = ap_create_request_config(pool);
    ap_set_core_module_config(r.request_config, core);
}

// The authorization modules' parts of the merged configuration: the pointers change if a merged section has such
// settings.
std::vector<const void*> SectionWalk::authorization_of(const request_rec& r) const {
    std::vector<const void*> out;
    for (module* const m : authorizers_) out.push_back(ap_get_module_config(r.per_dir_config, m));
    return out;
}

bool SectionWalk::has_authorization(const ap_conf_vector_t* section) const {
    return std::any_of(authorizers_.begin(), authorizers_.end(),
                       [section](module* m) { return ap_get_module_config(section, m) != nullptr; });
}

// Whether some <If> section here has authorization, settings of this module, or an <If> of its own.
bool SectionWalk::has_deciding_conditions(const ap_conf_vector_t* config) const {
    const auto& core = *static_cast<const core_dir_config*>(ap_get_core_module_config(config));
    for (int i = 0; core.sec_if != nullptr && i < core.sec_if->nelts; ++i) {
        const auto* const section = reinterpret_cast<ap_conf_vector_t**>(core.sec_if->elts)[i];
        const auto& own = *static_cast<const core_dir_config*>(ap_get_core_module_config(section));
        const bool has_own = ap_get_module_config(section, &mtls_authz_module) != nullptr;
        if (has_own || own.sec_if != nullptr || has_authorization(section)) return true;
    }
    return false;
}

// The <If> sections with authorization that apply, by the same test as ap_if_walk().
std::vector<AuthorizingSection> SectionWalk::conditional_sections(request_rec& r) const {
    const auto& core = *static_cast<const core_dir_config*>(ap_get_core_module_config(r.per_dir_config));
    std::vector<AuthorizingSection> out;
    bool is_taken = false;
    for (int i = 0; core.sec_if != nullptr && i < core.sec_if->nelts; ++i) {
        ap_conf_vector_t* const section = reinterpret_cast<ap_conf_vector_t**>(core.sec_if->elts)[i];
        const auto& own = *static_cast<const core_dir_config*>(ap_get_core_module_config(section));
        if ((own.condition_ifelse & AP_CONDITION_ELSE) != 0 && is_taken) continue;
        const char* fault = nullptr;
        const bool has_condition = (own.condition_ifelse & AP_CONDITION_IF) != 0;
        is_taken = !has_condition || ap_expr_exec(&r, own.condition, &fault) > 0;
        if (is_taken && has_authorization(section)) out.push_back(describe_section(section));
    }
    return out;
}

std::vector<AuthorizingSection> SectionWalk::authorizing_sections(const char* path) const {
    const auto& server =
        *static_cast<const core_server_config*>(ap_get_core_module_config(request_->server->module_config));
    char* const merged = apr_pstrdup(pool_.get(), path);
    // With MergeSlashes On, r->uri has no double slashes.
    if (server.merge_slashes == AP_CORE_CONFIG_OFF) ap_no2slash(merged);
    std::vector<AuthorizingSection> out;
    for (int i = 0; i < server.sec_url->nelts; ++i) {
        ap_conf_vector_t* const section = reinterpret_cast<ap_conf_vector_t**>(server.sec_url->elts)[i];
        const auto& core = *static_cast<const core_dir_config*>(ap_get_core_module_config(section));
        if (has_authorization(section) && covers(core, path, merged)) out.push_back(describe_section(section));
    }
    return out;
}

}  // namespace mtls::httpd
