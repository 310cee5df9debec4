#include "mtls_authz/httpd/request/request.hpp"

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/httpd/config/config_tree.hpp"
#include "mtls_authz/httpd/decide/captures.hpp"
#include "mtls_authz/httpd/decide/nested.hpp"
#include "mtls_authz/httpd/decide/readings.hpp"
#include "mtls_authz/httpd/request/caching.hpp"
#include "mtls_authz/httpd/request/forward.hpp"
#include "mtls_authz/httpd/request/handler_guard.hpp"
#include "mtls_authz/httpd/request/overriding.hpp"
#include "mtls_authz/httpd/request/providers.hpp"
#include "mtls_authz/httpd/tell/accounting.hpp"
#include "mtls_authz/httpd/tell/status.hpp"
#include "mtls_authz/httpd/tell/variables.hpp"

namespace mtls::httpd {

void hand_over(request_rec* r, RequestState& request, const Decision& decision) {
    const bool all = dir_config(r).env.value_or(EnvLevel::kBasic) == EnvLevel::kAll;
    Handover& out = request.own_handover;
    out.variables = granted_variables(r, decision, all);
    out.partner = out.variables[1].value;
    out.fields = dir_config(r).forward != nullptr ? forwarded_fields(r, decision) : nullptr;
    request.handover = &out;
}

namespace {

// A request that only asks whether something may be seen: MultiViews and rewrite conditions before the main request's
// fixups, a directory listing while its handler runs.
bool is_lookup(const request_rec* r) {
    if (r->main == nullptr) return false;
    const RequestState* const main = known_state(r->main);
    if (main == nullptr || !main->fixups_done || is_lookup(r->main)) return true;
    return main->is_listing;
}

// LogOnly lets through what this gate would deny; it does not lead around another gate.
bool is_let_through(const DirConfig& config, Reason reason) {
    return gate_mode(config) == GateMode::kLogOnly && reason != Reason::kNestedGate && reason != Reason::kBadPath;
}

bool same_text(const char* a, const char* b) {
    return a == b || (a != nullptr && b != nullptr && std::string_view(a) == b);
}

bool is_decided(const request_rec* r, const RequestState& request) {
    return request.decided_for != nullptr && request.decided_for == r->per_dir_config &&
           same_text(request.decided_path, r->uri);
}

// Whether fixups have nothing to ask anew: no other request led here, httpd asks nobody else on behalf of this module,
// and nothing that only fixups know can make the path or the method another one.
bool is_settled(const request_rec* r, const DirConfig& config, const Decision& d) {
    const State& s = state();
    const bool is_first = r->main == nullptr && r->prev == nullptr;
    const bool is_simple = !config.has_provider && !config.remote_user.value_or(false) && !s.has_cache;
    return d.granted() && is_first && is_simple && s.forwarded_keys.empty() && d.has_one_reading &&
           !acts_on_all_below(r->method_number);
}

void decide_anew(request_rec* r, RequestState& request, const DirConfig& config) {
    const std::int64_t start = start_measuring();
    // Of another path by now, where a look-up became the request.
    if (asks_captures(config)) keep_captures(r);
    Decision d;
    decide_request(r, {config.allow, config.deny}, d);
    d.duration = nanoseconds_since(start);
    request.handover = nullptr;
    if (d.granted()) hand_over(r, request, d);
    request.is_settled = is_settled(r, config, d);
    request.reason = d.reason;
    const Outcome outcome = d.granted()                        ? Outcome::kAllow
                            : is_let_through(config, d.reason) ? Outcome::kWouldDeny
                                                               : Outcome::kDeny;
    if (outcome == Outcome::kDeny) request.denied_for = d.reason;
    account_for(r, d, outcome, r->main != nullptr && is_lookup(r));
}

// Decides once for this request and its configuration; returns whether it may go on.
bool decide_once(request_rec* r, RequestState& request, const DirConfig& config) {
    forbid_caching(r);
    if (!is_decided(r, request)) {
        if (traits_of(config).methods) remove_method_overrides(r);
        decide_anew(r, request, config);
        request.decided_path = r->uri;
        request.decided_for = r->per_dir_config;  // last: what threw before this has decided nothing
    }
    return request.reason == Reason::kGranted || is_let_through(config, request.reason);
}

int status_of(Reason reason) { return reason == Reason::kInternalError ? HTTP_INTERNAL_SERVER_ERROR : HTTP_FORBIDDEN; }

std::span<const Variable> variables_of(request_rec* r, const RequestState& request, bool denied) {
    if (!denied) return request.handover != nullptr ? request.handover->variables : std::span<const Variable>();
    constexpr std::size_t kCount = 2;
    auto* const out = static_cast<Variable*>(apr_palloc(r->pool, kCount * sizeof(Variable)));
    out[0] = {"MTLS_DECISION", is_let_through(dir_config(r), request.reason) ? "would-deny" : "deny"};
    out[1] = {"MTLS_REASON", word_of(request.reason).data()};
    return {out, kCount};
}

void tell_application(request_rec* r, RequestState& request, bool by_gate) {
    const bool denied = by_gate && request.reason != Reason::kGranted;
    request.told = set_variables(r, variables_of(r, request, denied), denied);
}

// Asked again in fixups: whatever has set such variables since is undone.
void tell_application_again(request_rec* r, RequestState& request, bool by_gate) {
    const bool stands = by_gate && request.reason == Reason::kGranted && !request.told.variables.empty() &&
                        request.told.variables.data() == request.handover->variables.data() &&
                        stand_as_set(r, request.told);
    if (!stands) tell_application(r, request, by_gate);
}

// Inlined whole, but for what few requests need: each one behind a gate comes here.
[[gnu::flatten]] int check_access(request_rec* r) {
    const DirConfig& config = dir_config(r);
    RequestState& request = request_state(r);
    const bool pass = decide_once(r, request, config);
    tell_application(r, request, true);
    return pass ? DECLINED : status_of(request.reason);
}

[[gnu::noinline]] int check_access_guarded(request_rec* r) {
    return guarded(r, [&] { return check_access(r); });
}

int check_ungated(request_rec* r) {
    const auto objection = find_objection(r);
    if (!objection) return DECLINED;
    Decision d;
    d.reason = objection->reason;
    d.detail = objection->detail;
    RequestState& request = request_state(r);
    request.denied_for = request.reason = d.reason;
    account_for(r, d, Outcome::kDeny, is_lookup(r));
    tell_application(r, request, true);
    return HTTP_FORBIDDEN;
}

// Nearly always: nothing has happened since the access checker, and nothing more is to be done.
[[gnu::flatten]] bool stands_as_granted(const request_rec* r, const RequestState& request) {
    return request.is_settled && request.decided_for == r->per_dir_config && request.decided_path == r->uri &&
           stand_as_set(r, request.told);
}

// Nearly always outside of gates: no other request led here, and no reading of the path leads behind one.
bool is_out_of_reach(const request_rec* r) {
    const DirConfig& config = dir_config(r);
    const bool is_first = r->main == nullptr && r->prev == nullptr;
    return is_first && !has_gate(config) && !config.has_provider && state().forwarded_keys.empty() &&
           !acts_on_all_below(r->method_number) && is_plain(r);
}

// httpd has copied the user of the request that led here, and asked neither for a login nor for any Require, because
// the merged configuration is the same: see ap_process_request_internal().
bool was_authorization_skipped(const request_rec* r) {
    const bool by_redirect = r->prev != nullptr && r->prev->per_dir_config == r->per_dir_config;
    return by_redirect || (r->main != nullptr && r->main->per_dir_config == r->per_dir_config);
}

// The request that led to this one.
const request_rec* origin_of(const request_rec* r) { return r->prev != nullptr ? r->prev : r->main; }

// What the module named there is a user that nobody logged in as.
void forget_inherited_user(request_rec* r) {
    if (r->user == nullptr) return;
    for (const request_rec* origin = origin_of(r); origin != nullptr; origin = origin_of(origin)) {
        const RequestState* const known = known_state(origin);
        if (known == nullptr || known->own_user != r->user) continue;
        r->user = nullptr;
        r->ap_auth_type = nullptr;
        return;
    }
}

bool is_to_be_authorized(request_rec* r, const RequestState& request) {
    if (dir_config(r).has_provider) return !request.provider_asked || !same_text(request.asked_path, r->uri);
    return was_authorization_skipped(r) && is_authenticated_here(r);
}

bool is_granted(request_rec* r, const RequestState& request) {
    const DirConfig& config = dir_config(r);
    if (request.handover == nullptr) return false;
    return has_gate(config) ? request.reason == Reason::kGranted : config.has_provider || is_authenticated_here(r);
}

int assert_decision(request_rec* r) {
    forward(r, nullptr);  // whatever another request, which led here, was granted
    forget_inherited_user(r);
    const bool is_concerned = server_config(r->server).has_gates || known_state(r) != nullptr ||
                              (was_authorization_skipped(r) && is_authenticated_here(r));
    if (!is_concerned) return DECLINED;
    const DirConfig& config = dir_config(r);
    RequestState& request = request_state(r);
    const bool gate = has_gate(config);
    if (reaches_below(r) && !request.reaches_below) {
        request.reaches_below = true;
        request.decided_for = nullptr;
        request.provider_asked = request.provider_asked && !config.requires_grant;
    }
    if (gate && request.reason == Reason::kGranted && nested_gate(r) != nullptr) request.decided_for = nullptr;
    if (is_read_otherwise_now(r)) {
        request.decided_for = nullptr;
        request.provider_asked = false;
    }
    if (gate && !decide_once(r, request, config)) {
        tell_application(r, request, true);
        return status_of(request.reason);
    }
    if (!gate) {
        const int ungated = check_ungated(r);
        if (ungated != DECLINED) return ungated;
    }
    // Skipped by httpd, passed by by Satisfy Any, or asked about another path.
    if (is_to_be_authorized(r, request)) {
        if (!gate) request.handover = nullptr;
        const int status = authorize_again(r);
        if (status != OK) return status;
    }
    if (config.has_provider) forbid_caching(r);
    if (gate || config.has_provider || request.handover != nullptr) tell_application_again(r, request, gate);
    const bool granted = is_granted(r, request);
    if (granted && config.remote_user.value_or(false) && r->user == nullptr) {
        set_own_user(r, request.handover->partner);
    }
    if (granted) forward(r, request.handover->fields);
    request.denied_for.reset();  // a Require that was not satisfied, beside one that was: not why anybody denies later
    request.fixups_done = true;
    return DECLINED;
}

// A look-up before the main request's handler runs may become the request, which then runs with its own method: httpd
// looks up all by GET. mod_dav keeps what it serves.
[[gnu::noinline]] void take_on_method(request_rec* r) {
    const request_rec& main = *r->main;
    if (r->method_number != M_GET || main.method_number == M_GET || state().sections.empty()) return;
    const RequestState* const known = known_state(&main);
    const bool is_dav = main.handler != nullptr && std::string_view(main.handler) == "dav-handler";
    if (is_dav || (known != nullptr && known->is_served)) return;
    r->method = main.method;
    r->method_number = main.method_number;
}

void note_lookup(const request_rec* r) {
    RequestState* const main = known_state(r->main);
    if (main == nullptr) return;
    main->lookup = r;
    main->lookup_path = r->uri;
}

// mod_dir has made a look-up the request: what that was granted goes with it, and nothing that its folder was.
void become_lookup(request_rec* r, RequestState& request) {
    const DirConfig& config = dir_config(r);
    const RequestState* const found = known_state(request.lookup);
    const bool gate = has_gate(config);
    request.handover = found != nullptr ? found->handover : nullptr;
    if (!gate && !config.has_provider && request.handover == nullptr) return;
    if (found != nullptr) request.reason = found->reason;
    tell_application(r, request, gate);
    const bool granted = is_granted(r, request);
    forward(r, granted ? request.handover->fields : nullptr);
    if (r->user == nullptr || r->user != request.own_user) return;
    r->user = request.lookup->user;
    r->ap_auth_type = request.lookup->ap_auth_type;
    request.own_user = found != nullptr ? found->own_user : nullptr;
}

[[gnu::noinline]] int become_lookup_guarded(request_rec* r) {
    return guarded(r, [&] {
        become_lookup(r, request_state(r));
        return DECLINED;
    });
}

[[gnu::noinline]] int assert_decision_guarded(request_rec* r) {
    return guarded(r, [&] { return assert_decision(r); });
}

[[gnu::noinline]] int remember_captures(request_rec* r) {
    return guarded(r, [&] {
        keep_captures(r);
        return DECLINED;
    });
}

// TRACE is answered before any access check, and before httpd has merged the sections: so they are merged here.
int refuse_trace(request_rec* r) {
    for (const auto walk : {ap_directory_walk, ap_file_walk, ap_location_walk, ap_if_walk}) {
        const int status = walk(r);
        if (status != OK) return status;
    }
    const DirConfig& config = dir_config(r);
    if (!has_gate(config) && !config.has_provider) return DECLINED;
    Decision d;
    decide_request(r, {}, d);
    d.reason = Reason::kMethodNotGranted;
    d.detail = "TRACE is answered before any access check, so it is refused where a gate applies";
    request_state(r).denied_for = d.reason;
    account_for(r, d, Outcome::kDeny, false);
    return HTTP_FORBIDDEN;
}

// LogOnly is there to compare with the rule that it replaces: where that one denied first, decide now.
int decide_for_comparison(request_rec* r) {
    const DirConfig& config = dir_config(r);
    const bool undecided = has_gate(config) && gate_mode(config) == GateMode::kLogOnly &&
                           request_state(r).decided_for != r->per_dir_config;
    const bool denied_elsewhere = r->status == HTTP_FORBIDDEN || r->status == HTTP_UNAUTHORIZED;
    if (undecided && denied_elsewhere) decide_once(r, request_state(r), config);
    return DECLINED;
}

[[gnu::noinline]] int handle(request_rec* r) {
    const std::string_view handler = r->handler;
    if (handler == kStatusHandler) return answer_status(r);
    if (handler == DIR_MAGIC_TYPE) request_state(r).is_listing = true;
    return DECLINED;
}

[[gnu::noinline]] int refuse_trace_guarded(request_rec* r) {
    return guarded(r, [&] { return refuse_trace(r); });
}

extern "C" int on_access_checker(request_rec* r) {
    const DirConfig& config = dir_config(r);
    return has_gate(config) ? check_access_guarded(r) : DECLINED;
}
extern "C" int on_fixups(request_rec* r) {
    if (r->main != nullptr) note_lookup(r);
    RequestState* const known = known_state(r);
    const bool is_done = known != nullptr ? stands_as_granted(r, *known) : is_out_of_reach(r);
    if (!is_done) return assert_decision_guarded(r);
    request_state(r).fixups_done = true;
    return DECLINED;
}
extern "C" int on_late_fixups(request_rec* r) {
    const RequestState* const known = known_state(r);
    const bool has_become = known != nullptr && known->lookup != nullptr && known->lookup_path == r->uri;
    return has_become ? become_lookup_guarded(r) : DECLINED;
}
extern "C" int on_post_perdir_config(request_rec* r) {
    return asks_captures(dir_config(r)) ? remember_captures(r) : DECLINED;
}
extern "C" int on_map_to_storage(request_rec* r) {
    if (r->main != nullptr) take_on_method(r);
    return r->method_number == M_TRACE ? refuse_trace_guarded(r) : DECLINED;
}
extern "C" int on_handler(request_rec* r) {
    if (r->handler == nullptr) return DECLINED;
    const char first = *r->handler;  // nearly all differ in this one
    return first == kStatusHandler.front() || first == *DIR_MAGIC_TYPE ? handle(r) : DECLINED;
}
extern "C" int on_log_transaction(request_rec* r) {
    return guarded(r->server, DECLINED, [&] { return decide_for_comparison(r); });
}

}  // namespace

void hook_handlers() {
    static const char* const kBeforeListings[] = {"mod_autoindex.c", nullptr};
    const auto asks_for_status = [](const ap_directive_t& d) {
        const std::string_view args = d.args != nullptr ? d.args : "";
        return equal_nocase(d.directive, "MTLSStatus") || args.find(kStatusHandler) != std::string_view::npos;
    };
    if (ap_find_linked_module(kBeforeListings[0]) == nullptr && !is_any_directive(asks_for_status)) return;
    ap_hook_handler(on_handler, nullptr, kBeforeListings, APR_HOOK_MIDDLE);
}

void hook_captures() { ap_hook_post_perdir_config(on_post_perdir_config, nullptr, nullptr, APR_HOOK_FIRST); }

void hook_comparison() { ap_hook_log_transaction(on_log_transaction, nullptr, nullptr, APR_HOOK_FIRST); }

void register_request_hooks() {
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    // After whatever sets variables, before whatever reads them or leaves for another request.
    static const char* const kBeforeReaders[] = {"mod_headers.c", "mod_dir.c", nullptr};

    static const char* const kAfterIndexes[] = {"mod_dir.c", nullptr};

    ap_hook_map_to_storage(on_map_to_storage, nullptr, nullptr, APR_HOOK_FIRST);
    ap_hook_check_access(on_access_checker, kAfterSsl, nullptr, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(on_fixups, nullptr, kBeforeReaders, APR_HOOK_LAST);
    ap_hook_fixups(on_late_fixups, kAfterIndexes, nullptr, APR_HOOK_REALLY_LAST);
    hook_handler_guard();
}

}  // namespace mtls::httpd
