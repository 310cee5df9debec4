#include "httpd/config/config.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

State* state_in_force = nullptr;  // trivially destructible: a restart unloads this object file

State::State(const std::string& root) : live(root), server_root(root) {}
State::~State() {
    if (state_in_force == this) state_in_force = nullptr;
}

void start_reading(apr_pool_t* pconf) { state_in_force = pool_new<State>(pconf, std::string(ap_server_root)); }

RuleTraits RuleTraits::of(const GateRule& rule) {
    const bool captures = !rule.names.empty() && !rule.names.back().capture.empty();  // names with captures come last
    return {!rule.methods.is_all() || rule.kind == GateRule::Kind::kByGrant, captures};
}

std::string GateSection::title() const {
    static constexpr const char* kNames[] = {"server", "Location", "LocationMatch", "Directory", "DirectoryMatch"};
    if (kind == Kind::kServer) return "the server itself";
    if (!other.empty()) return other;
    return "<" + std::string(kNames[static_cast<std::size_t>(kind)]) + " " + path + ">";
}

Where place_in(const char* file, int line) {
    constexpr std::string_view kMacro = "macro '", kUse = " used on line ", kOf = " of \"";
    const std::string_view name = file != nullptr ? file : "";
    const std::size_t use = name.rfind(kUse), of = name.find(kOf, std::min(use, name.size()));
    unsigned used = 0;
    if (name.starts_with(kMacro) && of != name.npos) {
        std::from_chars(name.data() + use + kUse.size(), name.data() + of, used);
    }
    if (used == 0) return {std::string(name), static_cast<unsigned>(std::max(0, line))};
    const std::string_view outer = name.substr(of + kOf.size());
    return {std::string(outer.substr(0, outer.find_last_not_of('"') + 1)), used};
}

Where place_of(const ap_directive_t* directive) { return place_in(directive->filename, directive->line_num); }
Where place_of(const server_rec* s) { return place_in(s->defn_name, static_cast<int>(s->defn_line_number)); }

std::string short_place(const Where& where) {
    const std::string& root = state().server_root;
    std::string_view file = where.file;
    const bool below = file.size() > root.size() + 1 && file.starts_with(root) && file[root.size()] == '/';
    if (below) file.remove_prefix(root.size() + 1);
    return place_text(file, where.line);
}

namespace {

// A section that replaces the requirements joined before is not detected: kMixed may be reported too often.
AuthMerging combined(AuthMerging base, AuthMerging add) {
    if (add == AuthMerging::kNone) return base;
    const bool is_mixed = base == AuthMerging::kMixed || (base == AuthMerging::kAnd && add == AuthMerging::kOr);
    return is_mixed ? AuthMerging::kMixed : add;
}

}  // namespace

void* merge_dir_config(apr_pool_t* pool, void* base_config, void* add_config) noexcept {
    // Names every member on both sides: a new one does not compile until it is merged.
    const auto& [base_mode, base_allow, base_allow_traits, base_deny, base_deny_traits, base_user, base_env,
                 base_status, base_detail, base_forward, base_fronts, base_provider, base_grant, base_merging,
                 base_section, base_authorizer] = *static_cast<const DirConfig*>(base_config);
    const auto& [mode, allow, allow_traits, deny, deny_traits, user, env, status, detail, forward, fronts, provider,
                 grant, merging, section, authorizer] = *static_cast<const DirConfig*>(add_config);
    DirConfig& out = *pool_new<DirConfig>(pool);

    const bool has_rules = allow != nullptr || deny != nullptr;
    // Rules of its own end an inherited Off or LogOnly.
    out.mode = mode ? mode : has_rules ? std::optional(GateMode::kOn) : base_mode;
    out.allow = allow != nullptr ? allow : base_allow;
    out.allow_traits = allow != nullptr ? allow_traits : base_allow_traits;
    out.deny = deny != nullptr ? deny : base_deny;
    out.deny_traits = deny_traits | base_deny_traits;
    if (deny != nullptr && base_deny != nullptr) {
        // Denials add up: append the outer chain to a copy of the inner one.
        DenyChain** tail = &out.deny;
        for (const DenyChain* link = deny; link != nullptr; link = link->outer) {
            auto* const copy = pool_new<DenyChain>(pool, *link);
            *tail = copy;
            tail = const_cast<DenyChain**>(&copy->outer);
        }
        *tail = base_deny;
    }
    out.remote_user = user ? user : base_user;
    out.env = env ? env : base_env;
    out.status = status ? status : base_status;
    out.error_detail = detail ? detail : base_detail;
    out.forward = forward != nullptr ? forward : base_forward;
    out.fronts = fronts != nullptr ? fronts : base_fronts;
    out.has_provider = provider || base_provider;
    out.requires_grant = grant || base_grant;
    out.auth_merging = combined(base_merging, merging);
    out.section = section != nullptr ? section : base_section;
    out.authorizer = authorizer != nullptr ? authorizer : base_authorizer;
    return &out;
}

std::string in_server_root(const std::string& path) {
    return path.starts_with('/') ? path : state().server_root + "/" + path;
}

bool is_restart() {
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_CONFIG && ap_state_query(AP_SQ_CONFIG_GEN) > 1;
}

void* create_server_config(apr_pool_t* pool, server_rec*) noexcept { return pool_new<ServerConfig>(pool); }

}  // namespace mtls::httpd
