#include "httpd/request/providers.hpp"

#include <algorithm>
#include <utility>

#include "httpd/config/sections.hpp"
#include "httpd/request/branches.hpp"
#include "httpd/request/caching.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/request.hpp"
#include "httpd/tell/accounting.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls::httpd {

namespace {

// The arguments of `Require mtls-...`, parsed: rules as for MTLSAllow, and selectors that the certificate must fit.
struct Requirement {
    GateRules rules;
    WrittenConditions selectors;
    std::string text;
    Branch branch;
    bool is_group = false;
    bool is_refusing = false;  // what cannot be told then counts as fulfilled, as for MTLSDeny
    std::vector<std::string> warnings = {};
};

enum class Kind { kAnyPartner, kGrant, kPartner, kGroup, kIdentity };

struct Word {
    const char* name;
    Kind kind;
    GateRule::Kind rule;
};
constexpr Word kWords[] = {{"mtls-any-partner", Kind::kAnyPartner, GateRule::Kind::kAnyPartner},
                           {"mtls-grant", Kind::kGrant, GateRule::Kind::kByGrant},
                           {"mtls-partner", Kind::kPartner, GateRule::Kind::kPartner},
                           {"mtls-group", Kind::kGroup, GateRule::Kind::kGroup},
                           {"mtls-identity", Kind::kIdentity, GateRule::Kind::kAnyPartner}};

bool is_within(const cmd_parms* cmd, std::string_view section) {
    for (const ap_directive_t* up = cmd->directive->parent; up != nullptr; up = up->parent) {
        if (equal_nocase(up->directive, section)) return true;
    }
    return false;
}

// Reads the tree, since mod_authz_core marks everything inside <RequireAll> and the like as limited.
const char* require_context_fault(cmd_parms* cmd) {
    if (is_within(cmd, "<Limit") || is_within(cmd, "<LimitExcept")) {
        return "cannot occur within <Limit> or <LimitExcept>; use MTLSAllow ... methods=";
    }
    if (equal_nocase(cmd->directive->directive, "<AuthzProviderAlias")) {
        return "cannot have an alias, which would hide the sections that it guards; write the Require mtls-* line "
               "there";
    }
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
}

std::optional<std::string> read_requirement(Requirement& out, Kind kind, const std::string& line) {
    if (const std::string fault = comment_fault(line); !fault.empty()) return fault;
    const auto words = config_words(line);
    auto& names = out.rules.front().names;
    if (kind == Kind::kAnyPartner || kind == Kind::kGrant) {
        if (words.empty()) return std::nullopt;
        return std::string("takes no arguments; single partners are named by mtls-partner NAME...");
    }
    if (words.empty() && kind == Kind::kIdentity) return "expected SELECTOR..., like mtls-identity OU:Payments";
    if (words.empty()) {
        return std::string("expected NAME..., like ") +
               (kind == Kind::kGroup ? "mtls-group suppliers" : "mtls-partner acme");
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (kind == Kind::kIdentity) {
            auto parsed = Selector::parse(word);
            if (!parsed) return parsed.error() + unquoted_hint(words, i);
            out.selectors.add(parsed.value());
            out.warnings.insert(out.warnings.end(), parsed.value().warnings.begin(), parsed.value().warnings.end());
        } else if (is_valid_name(word)) {
            names.push_back({word, {}, 0});
        } else {
            return in_quotes(word, 100) + " cannot be a name: expected letters, digits, '.', '_' or '-'";
        }
    }
    std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.literal < b.literal; });
    if (kind == Kind::kIdentity && out.selectors.view().all_negated())
        return "expected at least one selector without '!'";
    return std::nullopt;
}

Result<Requirement*> make_requirement(cmd_parms* cmd, const Word& word, const char* line) {
    auto* const out = pool_new<Requirement>(cmd->pool);
    out->rules = {GateRule::of(word.rule)};
    out->text = std::string("Require ") + (cmd->directive->args != nullptr ? cmd->directive->args : "");
    if (const auto fault = read_requirement(*out, word.kind, line != nullptr ? line : "")) {
        return Error{out->text + ": " + *fault};
    }
    out->is_refusing = is_refusing(cmd->directive);
    out->is_group = word.kind == Kind::kGroup;
    // fits() looks for the groups.
    if (out->is_refusing && out->is_group) out->rules.front().kind = GateRule::Kind::kAnyPartner;
    return out;
}

// Whether MTLSDeny would take the certificate to have one of the groups.
bool is_in_refused_group(const GateRule& rule, const Identification& who) {
    return std::any_of(rule.names.begin(), rule.names.end(), [&who](const NameReference& name) {
        return std::find(who.denied_groups.begin(), who.denied_groups.end(), name.literal) != who.denied_groups.end();
    });
}

bool is_named(const Requirement& requirement, const Partner& partner) {
    const GateRule& rule = requirement.rules.front();
    if (rule.names.empty()) return true;
    const auto names = [&rule](std::string_view name) {
        return std::any_of(rule.names.begin(), rule.names.end(), [name](const auto& n) { return n.literal == name; });
    };
    if (!requirement.is_group) return names(partner.name);
    return std::any_of(partner.groups.begin(), partner.groups.end(), [&names](const GroupMembership& membership) {
        return std::any_of(membership.names.begin(), membership.names.end(), names);
    });
}

// Whether a refusing line is about this client, although its certificate is refused: a partner that was suspended, or
// whose certificate was revoked, must not pass where it did not while it was in good standing.
bool refuses_anyway(const Requirement& requirement, const RequestDecision& d) {
    if (!requirement.is_refusing || d.who == nullptr || d.certificate == nullptr) return false;
    if (!missing_partner(requirement.rules.front(), *d.snapshot->policy).empty()) return true;  // as for MTLSDeny
    if (d.reason == Reason::kNotAllowed || d.reason == Reason::kMethodNotGranted) return false;
    if (d.reason == Reason::kMalformedCertificate) return true;  // whose it is cannot be told
    const Identification& who = *d.who;
    const bool names = who.partner != nullptr
                           ? is_named(requirement, *who.partner)
                           : std::any_of(who.claimed.begin(), who.claimed.end(),
                                         [&](const Partner* p) { return is_named(requirement, *p); }) ||
                                 who.claimed.size() == kMostClaimed;
    return names && requirement.selectors.view().may_hold(d.certificate->facts, who.path);
}

bool fits(const Requirement& requirement, const RequestDecision& d) {
    const Conditions selectors = requirement.selectors.view();
    if (!requirement.is_refusing) return selectors.hold(d.certificate->facts, &d.who->path);
    if (requirement.is_group && !is_in_refused_group(requirement.rules.front(), *d.who)) return false;
    return selectors.may_hold(d.certificate->facts, d.who->path);
}

// Why a refusing line denies a client that it does not name.
std::string detail_of_missing(const Requirement& requirement, const RequestDecision& d) {
    const std::string_view name = missing_partner(requirement.rules.front(), *d.snapshot->policy);
    if (name.empty()) return d.detail;
    return "it names the partner " + std::string(name) +
           ", which the policy does not have, so it refuses every certificate: mend the name, or take the line out";
}

RequestDecision find_requirement(request_rec* r, const Requirement& requirement) {
    if (requirement.rules.front().kind == GateRule::Kind::kByGrant) remove_method_overrides(r);
    RequestDecision d;
    decide_request(r, {&requirement.rules}, d);
    if (d.granted() && !fits(requirement, d)) d.reason = Reason::kNotAllowed;
    if (requirement.is_refusing && d.reason == Reason::kNotAllowed) d.detail = detail_of_missing(requirement, d);
    d.rule = &requirement.rules.front();
    return d;
}

RequestDecision decide_requirement(request_rec* r, const Requirement& requirement) {
    const std::int64_t start = start_measuring();
    RequestDecision d = find_requirement(r, requirement);
    d.duration = nanoseconds_since(start);
    return d;
}

bool holds(const Requirement& requirement, const RequestDecision& d) {
    return d.granted() || refuses_anyway(requirement, d);
}

bool holds_quietly(request_rec* r, const void* parsed) {
    const auto& requirement = *static_cast<const Requirement*>(parsed);
    return holds(requirement, find_requirement(r, requirement));
}

bool read_own(cmd_parms* cmd, AuthzNode& node) {
    const auto* const word = std::find_if(std::begin(kWords), std::end(kWords),
                                          [&node](const Word& w) { return std::string_view(w.name) == node.name; });
    if (word == std::end(kWords)) return false;
    const auto requirement = make_requirement(cmd, *word, node.args);
    if (!requirement) return true;  // without a provider it never holds; httpd reports the error when it reads the line
    node.parsed = requirement.value();
    node.holds = holds_quietly;
    return true;
}

const Word& word_of(Kind kind) {
    return *std::find_if(std::begin(kWords), std::end(kWords), [kind](const Word& w) { return w.kind == kind; });
}

// Runs first in fixups. The request is authorized by then: a Require line that did not hold has not denied it.
extern "C" int on_authorized(request_rec* r) {
    RequestState* const request = find_state(r);
    if (request != nullptr) request->denied_for.reset();
    return DECLINED;
}

void hook_authorized() {
    if (std::exchange(state().has_providers, true)) return;
    ap_hook_fixups(on_authorized, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
}

// Records that the section of `cmd` has a provider, and whether that asks for grants.
void note_provider(cmd_parms* cmd, bool asks_for_grants) {
    DirConfig& config = section_config(cmd);
    config.has_provider = true;
    config.requires_grant = config.requires_grant || asks_for_grants;
    authorizing_section(cmd, config);
    hook_path_overrides();
    hook_authorized();
}

template <Kind kKind>
const char* parse_requirement(cmd_parms* cmd, const char* line, const void** parsed) noexcept {
    return guarded(cmd->server, "mtls_authz: the Require line could not be read", [&]() -> const char* {
        if (const char* fault = require_context_fault(cmd)) {
            return apr_pstrcat(cmd->pool, "Require mtls-*: ", fault, nullptr);
        }
        auto requirement = make_requirement(cmd, word_of(kKind), line);
        if (!requirement) return failure(cmd, requirement.error());
        requirement.value()->rules.front().where = place_of(cmd->directive);
        for (const std::string& text : requirement.value()->warnings) {
            // A selector that fits no certificate: behind `Require not` it would refuse nobody, which is an error, as
            // it is in MTLSRevoke.
            if (requirement.value()->is_refusing) return failure(cmd, requirement.value()->text + ": " + text);
            state().gate_warnings.push_back(
                {Diagnostic::Severity::kWarning, place_of(cmd->directive), "Require mtls-identity: " + text});
        }
        requirement.value()->branch = read_branch(cmd, read_own);
        note_provider(cmd, kKind == Kind::kGrant);
        for (const NameReference& name : requirement.value()->rules.front().names) {
            state().required_names.push_back(
                {kKind == Kind::kGroup, requirement.value()->is_refusing, name.literal, place_of(cmd->directive)});
        }
        *parsed = requirement.value();
        return nullptr;
    });
}

authz_status check_requirement(request_rec* r, const char*, const void* parsed) noexcept {
    return guarded(r->server, AUTHZ_GENERAL_ERROR, [&] {
        if (parsed == nullptr) return AUTHZ_GENERAL_ERROR;
        const auto& requirement = *static_cast<const Requirement*>(parsed);
        const RequestDecision d = decide_requirement(r, requirement);
        RequestState& request = request_state(r);
        forbid_caching(r);
        request.asked_path = r->uri;
        request.provider_asked = true;
        const bool enters = d.granted() && grants_request(r, requirement.branch);
        // A refusing line that is not about this client denies nothing.
        const bool may_deny = !requirement.is_refusing || holds(requirement, d);
        if (may_deny) account_for_provider(r, d, requirement.text.c_str(), enters);
        if (may_deny && !d.granted()) request.denied_for = Denial{d.reason, true};
        if (d.reason == Reason::kPolicyUnavailable || d.reason == Reason::kInternalError) return AUTHZ_GENERAL_ERROR;
        if (!holds(requirement, d)) return AUTHZ_DENIED;
        if (enters && request.handover == nullptr) hand_over(r, request, d);
        return AUTHZ_GRANTED;
    });
}

constexpr const char* kAuthType = "AuthType MTLS";

// Sets the partner as user.
int authenticate(request_rec* r) {
    if (!is_authenticated_here(r)) return DECLINED;
    RequestDecision d = decide_requirement(r, {{GateRule::of(GateRule::Kind::kAnyPartner)}, {}, {}, {}, false, false});
    d.rule = nullptr;  // that of this call, which ends
    forbid_caching(r);
    account_for_provider(r, d, kAuthType, d.granted());
    RequestState& request = request_state(r);
    if (!d.granted()) request.denied_for = Denial{d.reason, true};
    if (d.reason == Reason::kInternalError || d.reason == Reason::kPolicyUnavailable) return HTTP_INTERNAL_SERVER_ERROR;
    if (!d.granted()) return HTTP_FORBIDDEN;
    set_own_user(r, d.who->partner->name);
    r->ap_auth_type = apr_pstrdup(r->pool, "MTLS");
    if (request.handover == nullptr) hand_over(r, request, d);
    return OK;
}

// A certificate cannot be entered again: a 401 with its challenge would make clients ask for a password.
int authorize_partner(request_rec* r) {
    RequestState& request = request_state(r);
    if (request.is_authorizing || !is_authenticated_here(r)) return DECLINED;
    request.is_authorizing = true;
    const int status = ap_run_auth_checker(r);
    request.is_authorizing = false;
    if (status != HTTP_UNAUTHORIZED && status != HTTP_FORBIDDEN) return status;
    RequestDecision d;
    decide_request(r, {}, d);  // empty rules: never granted; gives the first reason
    if (!request.denied_for) request.denied_for = Denial{d.reason, true};
    account_for_provider(r, d, kAuthType, false);
    return HTTP_FORBIDDEN;
}

// The user is whom the certificate maps to: not the name that SSLUserName or a script read from it, with which httpd
// would not ask for a login any more.
extern "C" int on_foreign_user(request_rec* r) {
    if (r->user == nullptr || !is_authenticated_here(r)) return DECLINED;
    r->user = nullptr;
    r->ap_auth_type = nullptr;
    return DECLINED;
}

extern "C" int on_check_authn(request_rec* r) {
    return guarded(r, [&] { return authenticate(r); });
}

extern "C" int on_check_authz(request_rec* r) {
    return guarded(r, [&] { return authorize_partner(r); });
}

template <Kind kKind>
void register_provider(apr_pool_t* pool) {
    static const authz_provider kProvider = {check_requirement, parse_requirement<kKind>};
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, word_of(kKind).name, AUTHZ_PROVIDER_VERSION, &kProvider,
                              AP_AUTH_INTERNAL_PER_CONF);
}

}  // namespace

// The same sequence as in ap_process_request_internal().
int authorize_again(request_rec* r) {
    const int status = ap_run_access_checker_ex(r);
    if (status != DECLINED && (status != OK || ap_run_force_authn(r) != OK)) return status;
    const int login = r->user != nullptr ? OK : ap_run_check_user_id(r);
    if (login != OK) return login != DECLINED ? login : HTTP_FORBIDDEN;
    const int authorized = r->user != nullptr ? ap_run_auth_checker(r) : DECLINED;
    return authorized != DECLINED ? authorized : HTTP_FORBIDDEN;
}

void hook_authentication() {
    if (std::exchange(state().authenticates, true)) return;
    ap_hook_check_access(on_foreign_user, nullptr, nullptr, APR_HOOK_REALLY_LAST, AP_AUTH_INTERNAL_PER_CONF);
}

void register_providers(apr_pool_t* pool) {
    register_provider<Kind::kAnyPartner>(pool);
    register_provider<Kind::kGrant>(pool);
    register_provider<Kind::kPartner>(pool);
    register_provider<Kind::kGroup>(pool);
    register_provider<Kind::kIdentity>(pool);
    // The first module that names a user decides: after mod_ssl, which may still refuse, and before all others.
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    ap_hook_check_authn(on_check_authn, kAfterSsl, nullptr, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authz(on_check_authz, nullptr, nullptr, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
}

}  // namespace mtls::httpd
