#include "config.hpp"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "config_tree.hpp"
#include "misdirected.hpp"
#include "mtls_authz/text.hpp"
#include "overriding.hpp"
#include "request.hpp"

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

// Where the character class that begins at `open` ends: a `]` that comes first is one of its characters, and so may be
// those of `[:alpha:]`.
std::size_t end_of_class(std::string_view regex, std::size_t open) {
    std::size_t i = open + 1;
    if (i < regex.size() && regex[i] == '^') ++i;
    if (i < regex.size() && regex[i] == ']') ++i;
    for (; i < regex.size() && regex[i] != ']'; ++i) {
        if (regex[i] == '\\') ++i;
        const std::size_t end = regex.substr(i).starts_with("[:") ? regex.find(":]", i) : std::string_view::npos;
        if (end != std::string_view::npos) i = end + 1;
    }
    return i;
}

// Whether the expression has alternatives outside of every group; where that is not certain, yes.
bool has_alternatives(std::string_view regex) {
    for (const std::string_view unclear : {"(?#", "\\Q", "#"}) {
        if (regex.find(unclear) != std::string_view::npos) return regex.find('|') != std::string_view::npos;
    }
    int depth = 0;
    for (std::size_t i = 0; i < regex.size(); ++i) {
        const char c = regex[i];
        if (c == '\\') {
            ++i;
        } else if (c == '[') {
            i = end_of_class(regex, i);
        } else if (c == '|' && depth == 0) {
            return true;
        }
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    return false;
}

// Up to the first character that has a meaning of its own in a regular expression.
std::string regex_literal_prefix(std::string_view regex) {
    if (!regex.starts_with('^') || has_alternatives(regex) || has_regex_options()) return {};
    regex.remove_prefix(1);
    std::size_t n = std::min(regex.find_first_of("\\.[]()*+?{}|$^"), regex.size());
    // A quantifier makes the character before it optional.
    if (n < regex.size() && n > 0 && std::string_view("*?{").find(regex[n]) != std::string_view::npos) --n;
    return std::string(regex.substr(0, n));
}

std::string wildcard_literal_prefix(std::string_view path) {
    return std::string(path.substr(0, std::min(path.find_first_of("*?["), path.size())));
}

bool starts_nocase(std::string_view text, std::string_view start) {
    return equal_nocase(text.substr(0, start.size()), start);
}

// The section that the directive of `cmd` is in, `<RequireAll>`, `<Limit>` and the like left out; null at server level.
const ap_directive_t* enclosing_section(const cmd_parms* cmd) {
    const auto is_part = [](std::string_view name) {
        return starts_nocase(name, "<Require") || starts_nocase(name, "<Limit");
    };
    const ap_directive_t* parent = cmd->directive->parent;
    while (parent != nullptr && is_part(parent->directive)) parent = parent->parent;
    return parent;
}

constexpr std::string_view kAuthorization[] = {"Require", "<Require", "<Limit", "Auth",
                                               "Satisfy", "Allow",    "Deny",   "Order"};

std::string authorization_text(const ap_directive_t* node) {
    std::string out;
    for (; node != nullptr; node = node->next) {
        const std::string_view name = node->directive;
        const bool decides = std::any_of(std::begin(kAuthorization), std::end(kAuthorization),
                                         [name](std::string_view start) { return starts_nocase(name, start); });
        if (!decides) continue;
        out += lower(name) + ' ' + (node->args != nullptr ? node->args : "") + '\n';
        if (node->first_child != nullptr) out += authorization_text(node->first_child) + ">\n";
    }
    return out;
}

GateSection* section_of(cmd_parms* cmd, DirConfig& config) {
    if (config.section != nullptr) return config.section;
    GateSection& section = *pool_new<GateSection>(cmd->pool);
    section.where = place_of(cmd->directive);
    section.server = cmd->server;
    section.config = &config;
    section.path = cmd->path != nullptr ? cmd->path : "";
    const ap_directive_t* const parent = enclosing_section(cmd);
    std::string_view kind = parent != nullptr ? parent->directive : "";
    const std::string_view args = parent != nullptr && parent->args != nullptr ? parent->args : "";
    const bool tilde = trim(args).starts_with('~');
    using Kind = GateSection::Kind;
    if (cmd->path == nullptr) {
        section.kind = Kind::kServer;
    } else if (equal_nocase(kind, "<Location")) {
        section.kind = tilde ? Kind::kLocationMatch : Kind::kLocation;
    } else if (equal_nocase(kind, "<LocationMatch")) {
        section.kind = Kind::kLocationMatch;
    } else if (equal_nocase(kind, "<Directory")) {
        section.kind = tilde ? Kind::kDirectoryMatch : Kind::kDirectory;
    } else if (equal_nocase(kind, "<DirectoryMatch")) {
        section.kind = Kind::kDirectoryMatch;
    }
    section.is_regex = tilde || (kind.size() > 5 && equal_nocase(kind.substr(kind.size() - 5), "Match"));
    section.literal_prefix =
        section.is_regex ? regex_literal_prefix(section.path) : wildcard_literal_prefix(section.path);
    config.section = &section;
    hook_path_overrides();
    state().sections.push_back(&section);
    server_config(cmd->server).sections.push_back(&section);
    return &section;
}

const char* add_rule(cmd_parms* cmd, DirConfig& config, const char* args, bool allow) {
    if (const char* fault = context_fault(cmd)) return fault;
    auto rule = allow ? GateRule::parse_allow(args) : GateRule::parse_deny(args);
    const std::string name = cmd->cmd->name;
    if (!rule) return failure(cmd, name + ": " + rule.error());
    rule.value().where = place_of(cmd->directive);
    section_of(cmd, config);
    bind_captures(cmd, rule.value());
    RuleTraits& traits = allow ? config.allow_traits : config.deny_traits;
    traits = traits | RuleTraits::of(rule.value());
    if (traits.captures && !std::exchange(state().takes_captures, true)) hook_captures();
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
        return failure(cmd, name + ": 'none' stands alone in its section, but " + config.allow->front().where.str() +
                                " has '" + config.allow->front().text() + "'");
    }
    config.allow->push_back(std::move(rule.value()));
    return nullptr;
}

}  // namespace

State* state_in_force = nullptr;  // trivially destructible: a restart unloads this object file

State::State(const std::string& root) : live(root), server_root(root) {}
State::~State() {
    if (state_in_force == this) state_in_force = nullptr;
}

void start_reading(apr_pool_t* pconf) { state_in_force = pool_new<State>(pconf, std::string(ap_server_root)); }

RuleTraits RuleTraits::of(const GateRule& rule) {
    const bool captures = !rule.names.empty() && !rule.names.back().capture.empty();  // they come last
    return {!rule.methods.is_all() || rule.kind == GateRule::Kind::kByGrant, captures};
}

std::string GateSection::title() const {
    static constexpr const char* kNames[] = {"server",    "Location",       "LocationMatch",
                                             "Directory", "DirectoryMatch", "section"};
    const char* const name = kNames[static_cast<std::size_t>(kind)];
    return kind == Kind::kServer ? "the server itself" : "<" + std::string(name) + " " + path + ">";
}

Where place_of(const ap_directive_t* directive) {
    return {directive->filename != nullptr ? directive->filename : "",
            static_cast<unsigned>(std::max(0, directive->line_num))};
}

std::string short_place(const Where& where) {
    const std::string& root = state().server_root;
    const bool below =
        where.file.size() > root.size() + 1 && where.file.starts_with(root) && where.file[root.size()] == '/';
    return Where{below ? where.file.substr(root.size() + 1) : where.file, where.line}.str();
}

DirConfig& written(cmd_parms* cmd) {
    void* known = ap_get_module_config(cmd->context, &mtls_authz_module);
    if (known == nullptr) {
        known = pool_new<DirConfig>(cmd->pool);
        ap_set_module_config(cmd->context, &mtls_authz_module, known);
    }
    return *static_cast<DirConfig*>(known);
}

namespace {

// A section that replaces what was joined before it is not seen here: so more may count as mixed than is.
AuthMerging joined(AuthMerging base, AuthMerging add) {
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
    // A section with rules of its own ends an inherited Off or LogOnly.
    out.mode = mode ? mode : has_rules ? std::optional(GateMode::kOn) : base_mode;
    out.allow = allow != nullptr ? allow : base_allow;
    out.allow_traits = allow != nullptr ? allow_traits : base_allow_traits;
    out.deny = deny != nullptr ? deny : base_deny;
    out.deny_traits = deny_traits | base_deny_traits;
    if (deny != nullptr && base_deny != nullptr) {
        // Denials add up: hang the outer chain behind a copy of the inner one.
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
    out.auth_merging = joined(base_merging, merging);
    out.section = section != nullptr ? section : base_section;
    out.authorizer = authorizer != nullptr ? authorizer : base_authorizer;
    return &out;
}

void* create_server_config(apr_pool_t* pool, server_rec*) noexcept { return pool_new<ServerConfig>(pool); }

const char* on_policy_directive(cmd_parms* cmd, void*, const char*) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const std::string errors = state().live.policy.policy_source().add(directive_of(cmd->directive));
        return errors.empty() ? nullptr : failure(cmd, errors);
    });
}

namespace {

template <class Files>
const char* watch_files(cmd_parms* cmd, const char* args, Files& into) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const auto names = config_words(args);
        if (names.empty()) return failure(cmd, std::string(cmd->cmd->name) + ": expected FILE|GLOB...");
        for (const std::string& name : names) {
            into.watch(
                {name.starts_with('/') ? name : state().server_root + "/" + name, name, place_of(cmd->directive)});
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
        return failure(cmd, std::string(cmd->cmd->name) + ": '" + escape_for_log(arg, 60) + "'" +
                                did_you_mean(arg, kWords) + ": expected On, Quiet or Off");
    });
}

const char* on_policy_start(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const bool strict = equal_nocase(arg, "strict");
        if (!strict && !equal_nocase(arg, "last-good")) {
            return failure(cmd,
                           std::string(cmd->cmd->name) + ": '" + escape_for_log(arg, 60) +
                               "': expected strict, or last-good to start with closed gates while a policy file is "
                               "broken");
        }
        state().starts_without_policy = !strict;
        return nullptr;
    });
}

const char* on_fetch_user(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        // Not ap_uname2id(), which ends the process where there is no such user.
        const passwd* const user = getpwnam(arg);
        if (user == nullptr) {
            return failure(cmd, std::string(cmd->cmd->name) + ": there is no user '" + escape_for_log(arg, 60) +
                                    "': expected the one as whom mtls-authz fetch runs");
        }
        state().fetch_user = user->pw_uid;
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
            return failure(cmd, std::string(cmd->cmd->name) + ": '" + escape_for_log(arg, 60) +
                                    "': expected SECONDS from 1 to 86400, or 0 to look only at a restart");
        }
        state().refresh_seconds = seconds;
        return nullptr;
    });
}

const char* on_allow(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return add_rule(cmd, written(cmd), args, true); });
}

const char* on_deny(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return add_rule(cmd, written(cmd), args, false); });
}

const char* on_authz(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        static constexpr std::string_view kWords[] = {"On", "LogOnly", "Off"};
        DirConfig& c = written(cmd);
        for (std::size_t i = 0; i < std::size(kWords); ++i) {
            if (!equal_nocase(arg, kWords[i])) continue;
            c.mode = static_cast<GateMode>(i);
            if (c.mode == GateMode::kLogOnly && !std::exchange(state().compares, true)) hook_comparison();
            section_of(cmd, c);
            return nullptr;
        }
        return failure(cmd, std::string(cmd->cmd->name) + ": '" + escape_for_log(arg, 60) + "'" +
                                did_you_mean(arg, kWords) + ": expected On, LogOnly or Off");
    });
}

const char* on_remote_user(cmd_parms* cmd, void*, int on) noexcept {
    if (const char* fault = context_fault(cmd)) return fault;
    written(cmd).remote_user = on != 0;
    return nullptr;
}

const char* on_status(cmd_parms* cmd, void*, int on) noexcept {
    if (const char* fault = context_fault(cmd)) return fault;
    written(cmd).status = on != 0;
    state().measures_time = state().measures_time || on != 0;
    return nullptr;
}

const char* on_error_detail(cmd_parms* cmd, void*, int on) noexcept {
    if (const char* fault = context_fault(cmd)) return fault;
    written(cmd).error_detail = on != 0;
    return nullptr;
}

const char* on_env(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = context_fault(cmd)) return fault;
        const bool all = equal_nocase(arg, "All");
        if (!all && !equal_nocase(arg, "Basic")) {
            return failure(cmd,
                           std::string(cmd->cmd->name) + ": '" + escape_for_log(arg, 60) + "': expected Basic or All");
        }
        written(cmd).env = all ? EnvLevel::kAll : EnvLevel::kBasic;
        return nullptr;
    });
}

const char* on_auth_merging(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        written(cmd).auth_merging = equal_nocase(arg, "And")  ? AuthMerging::kAnd
                                    : equal_nocase(arg, "Or") ? AuthMerging::kOr
                                                              : AuthMerging::kNone;
        return nullptr;  // mod_authz_core says what else is wrong
    });
}

namespace {

// A section that says something about authorization, with or without rules of a gate.
GateSection& authorizing_section(cmd_parms* cmd, DirConfig& config) {
    GateSection& section = *section_of(cmd, config);
    const ap_directive_t* const node = enclosing_section(cmd);
    if (node != nullptr && section.authorization.empty()) section.authorization = authorization_text(node->first_child);
    config.authorizer = &section;
    return section;
}

}  // namespace

void note_provider(cmd_parms* cmd, bool asks_for_grants) {
    DirConfig& config = written(cmd);
    config.has_provider = true;
    config.requires_grant = config.requires_grant || asks_for_grants;
    authorizing_section(cmd, config);
}

const char* on_auth_type(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        // A .htaccess file is read in a request, when the sections are known. mod_authn_core reports errors.
        if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != nullptr) return nullptr;
        const bool is_ours = equal_nocase(arg, "MTLS");
        const auto* const known = static_cast<DirConfig*>(ap_get_module_config(cmd->context, &mtls_authz_module));
        if (is_ours) authorizing_section(cmd, written(cmd)).authenticates = true;
        if (!is_ours && known != nullptr && known->section != nullptr) known->section->authenticates = false;
        return nullptr;
    });
}

}  // namespace mtls::httpd
