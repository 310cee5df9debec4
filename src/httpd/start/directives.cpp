#include "httpd/start/directives.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "httpd/config/sections.hpp"
#include "httpd/decide/captures.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/keeper/database.hpp"
#include "httpd/request/forward.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/providers.hpp"
#include "httpd/request/request.hpp"
#include "httpd/tls/connection.hpp"
#include "httpd/tls/misdirected.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls::httpd {

namespace {

Directive directive_of(const ap_directive_t* node) {
    Directive out;
    std::string_view name = node->directive;
    std::string_view args = node->args != nullptr ? node->args : "";
    out.where = place_of(node);
    out.is_section = name.starts_with('<');
    if (out.is_section) {
        name.remove_prefix(1);
        args = trim(args);
        if (args.ends_with('>')) args.remove_suffix(1);
    }
    out.name = std::string(name);
    out.args = std::string(trim(args));
    for (const ap_directive_t* child = node->first_child; out.is_section && child != nullptr; child = child->next) {
        out.children.push_back(directive_of(child));
    }
    return out;
}

// In a server with a gate, clients may not override the path.
void gate_section(cmd_parms* cmd, DirConfig& config) {
    section_of(cmd, config);
    hook_path_overrides();
}

const char* add_rule(cmd_parms* cmd, DirConfig& config, const char* args, bool allow) {
    if (const char* fault = context_fault(cmd)) return fault;
    if (const std::string fault = comment_fault(args); !fault.empty())
        return failure(cmd, cmd->cmd->name + (": " + fault));
    auto rule = allow ? GateRule::parse_allow(args) : GateRule::parse_deny(args);
    const std::string name = cmd->cmd->name;
    if (!rule) return failure(cmd, name + ": " + rule.error());
    rule.value().where = place_of(cmd->directive);
    gate_section(cmd, config);
    bind_captures(cmd, rule.value());
    RuleTraits& traits = allow ? config.allow_traits : config.deny_traits;
    traits = traits | RuleTraits::of(rule.value());
    if (traits.captures && !std::exchange(state().uses_captures, true)) hook_captures();
    if (!allow) {
        if (config.deny == nullptr) {
            config.deny = pool_new<DenyChain>(cmd->pool, DenyChain{pool_new<GateRules>(cmd->pool), nullptr});
        }
        const_cast<GateRules*>(config.deny->rules)->push_back(std::move(rule.value()));
        return nullptr;
    }
    if (config.allow == nullptr) config.allow = pool_new<GateRules>(cmd->pool);
    const auto is_none = [](const GateRule& r) { return r.kind == GateRule::Kind::kNone; };
    const bool had_none = std::any_of(config.allow->begin(), config.allow->end(), is_none);
    if (!config.allow->empty() && (had_none || is_none(rule.value()))) {
        return failure(cmd, name + ": 'none' stands alone in its section, but this line has '" + rule.value().text() +
                                "' and " + config.allow->front().where.str() + " has '" + config.allow->front().text() +
                                "': take one of the two out");
    }
    config.allow->push_back(std::move(rule.value()));
    return nullptr;
}

const char* read_accept_front(cmd_parms* cmd, DirConfig& config, const char* args) {
    if (const char* fault = context_fault(cmd)) return fault;
    const auto refuse = [cmd](const std::string& why) { return failure(cmd, cmd->cmd->name + (": " + why)); };
    if (const std::string fault = comment_fault(args); !fault.empty()) return refuse(fault);
    auto names = config_words(args);
    if (names.empty()) return refuse("expected NAME..., or none, like MTLSAcceptFront edge-lb");
    if (config.fronts != nullptr)
        return refuse("already given at " + config.fronts->where.str() + "; name all on one line");
    const bool is_none = names.size() == 1 && equal_nocase(names.front(), "none");
    for (const std::string& name : names) {
        if (is_valid_name(name) && (is_none || !equal_nocase(name, "none"))) continue;
        return refuse(in_quotes(name, 100) + ": expected NAME... of partners that have MTLSFront, or none alone");
    }
    if (is_none) names.clear();
    state().front_sections.push_back(&make_section(cmd, config));
    config.fronts = pool_new<AcceptedFronts>(cmd->pool, AcceptedFronts{std::move(names), place_of(cmd->directive)});
    if (is_none) return nullptr;
    if (state().accepted_fronts.empty()) hook_answers();
    state().accepted_fronts.push_back(config.fronts);
    hook_trailers();
    return nullptr;
}

// Sets `err_directive`, whose place httpd prints before the message, to the line of the first error within a section.
// The lines of a macro have one place: then it stays the section. The places of further errors are in the message.
std::string at_own_line(cmd_parms* cmd, const std::vector<Diagnostic>& errors) {
    const Where& first = errors.front().where;
    if (place_of(cmd->directive).str() != first.str()) {
        for (const ap_directive_t* node = cmd->directive->first_child; node != nullptr; node = node->next) {
            if (place_of(node).str() == first.str()) cmd->err_directive = node;
        }
    }
    std::string out = errors.front().message;
    for (auto more = errors.begin() + 1; more != errors.end(); ++more)
        out += "; " + more->where.str() + ": " + more->message;
    return out;
}

}  // namespace

const char* on_policy_directive(cmd_parms* cmd, void*, const char*) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        hook_merged_trailers();
        const auto errors = state().live.policy.policy_source().add(directive_of(cmd->directive));
        return errors.empty() ? nullptr : failure(cmd, at_own_line(cmd, errors));
    });
}

namespace {

template <class Files>
const char* watch_files(cmd_parms* cmd, const char* args, Files& into) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        if (const std::string fault = comment_fault(args); !fault.empty())
            return failure(cmd, cmd->cmd->name + (": " + fault));
        const auto names = config_words(args);
        if (names.empty()) {
            return failure(cmd, std::string(cmd->cmd->name) + ": expected FILE|GLOB..., like mtls/partners/*.conf");
        }
        hook_merged_trailers();
        for (const std::string& name : names) {
            into.watch({in_server_root(name), name, place_of(cmd->directive)});
        }
        return nullptr;
    });
}

}  // namespace

const char* on_revocation_file(cmd_parms* cmd, void*, const char* args) noexcept {
    return watch_files(cmd, args, state().live.policy.revocation_files());
}

const char* on_policy_file(cmd_parms* cmd, void*, const char* args) noexcept {
    return watch_files(cmd, args, state().live.policy.policy_source());
}

const char* on_client_ca(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT | NOT_IN_LIMIT | NOT_IN_HTACCESS))
            return fault;
        static constexpr std::string_view kWords[] = {"Off", "On", "Quiet"};
        for (std::size_t i = 0; i < std::size(kWords); ++i) {
            if (!equal_nocase(arg, kWords[i])) continue;
            const auto mode = static_cast<ClientCaMode>(i);
            server_config(cmd->server).client_ca = mode;
            if (mode != ClientCaMode::kOff && !std::exchange(state().has_live_anchors, true)) hook_misdirection();
            return nullptr;
        }
        return failure(cmd, std::string(cmd->cmd->name) + ": " + in_quotes(arg, 60) + did_you_mean(arg, kWords) +
                                ": expected On, Quiet or Off");
    });
}

const char* on_policy_database(cmd_parms* cmd, void*, const char* driver, const char* file) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const std::string name = cmd->cmd->name;
        if (std::find(std::begin(kDatabaseDrivers), std::end(kDatabaseDrivers), driver) == std::end(kDatabaseDrivers)) {
            return failure(cmd, name + ": " + in_quotes(driver, 60) + did_you_mean(driver, kDatabaseDrivers) +
                                    ": expected pgsql, sqlite3 or mysql, and a FILE that holds the connection");
        }
        hook_merged_trailers();
        PolicyDatabase*& database = state().database;
        if (database != nullptr) return failure(cmd, name + ": already given at " + database->where.str());
        database = pool_new<PolicyDatabase>(cmd->pool);
        database->driver = driver;
        database->file = in_server_root(file);
        database->where = place_of(cmd->directive);
        database->spelled = std::string(driver) + " " + file;
        state().live.policy.use_database(database->spelled, database->where);
        return nullptr;
    });
}

const char* on_policy_start(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const bool strict = equal_nocase(arg, "strict");
        if (!strict && !equal_nocase(arg, "last-good")) {
            return failure(cmd, std::string(cmd->cmd->name) + ": " + in_quotes(arg, 60) +
                                    ": expected strict, or last-good to start with closed gates while a policy file is "
                                    "broken");
        }
        state().starts_without_policy = !strict;
        return nullptr;
    });
}

const char* on_fetch_user(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        if (state().fetch_user)
            return failure(cmd, std::string(cmd->cmd->name) + ": already given at " + state().fetch_user_at.str());
        state().fetch_user = arg;
        state().fetch_user_at = place_of(cmd->directive);
        return nullptr;
    });
}

const char* on_policy_refresh(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        constexpr int kLongest = 86400;
        const std::string_view text = arg;
        int seconds = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), seconds);
        if (wrong != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > kLongest) {
            return failure(cmd, std::string(cmd->cmd->name) + ": " + in_quotes(arg, 60) +
                                    ": expected SECONDS from 1 to 86400, or 0 to look only at a restart");
        }
        state().refresh_seconds = seconds;
        return nullptr;
    });
}

const char* on_allow(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return add_rule(cmd, section_config(cmd), args, true); });
}

const char* on_deny(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return add_rule(cmd, section_config(cmd), args, false); });
}

const char* on_authz(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        static constexpr std::string_view kWords[] = {"On", "LogOnly", "Off"};
        DirConfig& c = section_config(cmd);
        for (std::size_t i = 0; i < std::size(kWords); ++i) {
            if (!equal_nocase(arg, kWords[i])) continue;
            c.mode = static_cast<GateMode>(i);
            if (c.mode == GateMode::kLogOnly && !std::exchange(state().compares, true)) hook_comparison();
            gate_section(cmd, c);
            return nullptr;
        }
        return failure(cmd, std::string(cmd->cmd->name) + ": " + in_quotes(arg, 60) + did_you_mean(arg, kWords) +
                                ": expected On, LogOnly or Off");
    });
}

const char* on_remote_user(cmd_parms* cmd, void*, int on) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        section_config(cmd).remote_user = on != 0;
        return nullptr;
    });
}

const char* on_status(cmd_parms* cmd, void*, int on) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        section_config(cmd).status = on != 0;
        state().measures_time = state().measures_time || on != 0;
        return nullptr;
    });
}

const char* on_error_detail(cmd_parms* cmd, void*, int on) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        section_config(cmd).error_detail = on != 0;
        return nullptr;
    });
}

const char* on_env(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        const bool all = equal_nocase(arg, "All");
        if (!all && !equal_nocase(arg, "Basic")) {
            return failure(cmd, std::string(cmd->cmd->name) + ": " + in_quotes(arg, 60) + ": expected Basic or All");
        }
        section_config(cmd).env = all ? EnvLevel::kAll : EnvLevel::kBasic;
        return nullptr;
    });
}

const char* on_auth_merging(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        section_config(cmd).auth_merging = equal_nocase(arg, "And")  ? AuthMerging::kAnd
                                           : equal_nocase(arg, "Or") ? AuthMerging::kOr
                                                                     : AuthMerging::kNone;
        return nullptr;  // mod_authz_core reports other errors
    });
}

const char* on_auth_type(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        const bool is_ours = equal_nocase(arg, "MTLS");
        if (is_ours || std::string_view(arg).find('%') != std::string_view::npos) hook_authentication();
        // A .htaccess file is read during a request, when the sections are complete. mod_authn_core reports errors.
        if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != nullptr) {
            return is_ours ? failure(cmd, "AuthType MTLS: not allowed in .htaccess files") : nullptr;
        }
        // mod_authz_core marks <RequireAll> and the like as limited, too.
        if (is_ours && ap_check_cmd_context(cmd, NOT_IN_LIMIT) != nullptr) {
            return failure(cmd,
                           "AuthType MTLS: counts for all methods and for the whole section: write it beside "
                           "<Limit>, <LimitExcept>, <RequireAll> and the like, not within");
        }
        const auto* const config = static_cast<DirConfig*>(ap_get_module_config(cmd->context, &mtls_authz_module));
        if (is_ours) {
            authorizing_section(cmd, section_config(cmd)).authenticates = true;
            hook_path_overrides();
        }
        if (!is_ours && config != nullptr && config->section != nullptr) config->section->authenticates = false;
        return nullptr;
    });
}

const char* on_accept_front(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return read_accept_front(cmd, section_config(cmd), args); });
}

}  // namespace mtls::httpd
