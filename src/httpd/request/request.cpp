#include "httpd/request/request.hpp"

#include "httpd/config/config_tree.hpp"
#include "httpd/decide/captures.hpp"
#include "httpd/decide/nested.hpp"
#include "httpd/decide/readings.hpp"
#include "httpd/request/caching.hpp"
#include "httpd/request/forward.hpp"
#include "httpd/request/handler_guard.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/providers.hpp"
#include "httpd/tell/accounting.hpp"
#include "httpd/tell/status.hpp"
#include "httpd/tell/variables.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

void hand_over(request_rec* r, RequestState& request, const RequestDecision& decision) {
    const bool all = dir_config(r).env.value_or(EnvLevel::kBasic) == EnvLevel::kAll;
    Handover& out = request.own_handover;
    out.variables = granted_variables(r, decision, all);
    out.partner = out.variables[1].value;
    out.fields = dir_config(r).forward != nullptr ? forwarded_fields(r, decision) : nullptr;
    request.handover = &out;
}

namespace {

// httpd puts this filter before each subrequest that a module may run.
bool may_run(const request_rec* r) {
    for (const ap_filter_t* f = r->output_filters; f != nullptr && f != r->proto_output_filters; f = f->next) {
        if (f->frec == ap_subreq_core_filter_handle) return true;
    }
    return false;
}

// What mod_dav acts on, too, as the destination of a COPY; it looks members up with GET.
bool is_acted_on_by_dav(const request_rec* r) {
    return is_served_by_dav(r->main) && (r->method_number != M_GET || has_destination(r->main));
}

// Whether the request only tests if something may be seen: MultiViews and rewrite conditions before the main request's
// fixups, a directory listing while its handler runs, and a program's PATH_INFO for PATH_TRANSLATED. Not inlined: only
// subrequests ask.
[[gnu::noinline]] bool is_lookup(const request_rec* r) {
    if (r->main == nullptr) return false;
    const RequestState* const main = find_state(r->main);
    if (main == nullptr || !main->fixups_done || is_lookup(r->main)) return true;
    return main->is_listing || (!may_run(r) && !is_acted_on_by_dav(r));
}

// LogOnly passes what this gate would deny, but not what would bypass another gate.
bool is_passed_by_log_only(const DirConfig& config, Reason reason) {
    return gate_mode(config) == GateMode::kLogOnly && reason != Reason::kNestedGate && reason != Reason::kBadPath;
}

bool same_text(const char* a, const char* b) {
    return a == b || (a != nullptr && b != nullptr && std::string_view(a) == b);
}

bool is_decided(const request_rec* r, const RequestState& request) {
    return request.decided_for != nullptr && request.decided_for == r->per_dir_config &&
           same_text(request.decided_path, r->uri);
}

// Whether fixups need not decide again: the request is no subrequest or redirect, httpd runs no provider of this
// module, and nothing known only in fixups can change the path or the method.
bool is_settled(const request_rec* r, const DirConfig& config, const RequestState& request, const RequestDecision& d) {
    const State& s = state();
    const bool is_simple = !config.has_provider && !config.remote_user.value_or(false) && !s.has_cache;
    return d.granted() && is_initial(r) && is_simple && config.forward == nullptr && d.has_one_reading &&
           !may_reach_below(r) && !request.overrides_method && r->method_number != M_TRACE;
}

void decide_anew(request_rec* r, RequestState& request, const DirConfig& config) {
    const std::int64_t start = start_measuring();
    // The path may have changed if a look-up became the request.
    if (asks_captures(config)) keep_captures(r);
    RequestDecision d;
    decide_request(r, {config.allow, config.deny}, d);
    d.duration = nanoseconds_since(start);
    request.handover = nullptr;
    if (d.granted()) hand_over(r, request, d);
    request.is_settled = is_settled(r, config, request, d);
    request.reason = d.reason;
    const Outcome outcome = d.granted()                               ? Outcome::kAllow
                            : is_passed_by_log_only(config, d.reason) ? Outcome::kWouldDeny
                                                                      : Outcome::kDeny;
    if (outcome == Outcome::kDeny) request.denied_for = Denial{d.reason};
    account_for(r, d, outcome, r->main != nullptr && is_lookup(r));
}

// Decides once for this request and its configuration; returns whether it may go on.
bool decide_once(request_rec* r, RequestState& request, const DirConfig& config) {
    forbid_caching(r);
    if (!is_decided(r, request)) {
        if (traits_of(config).methods) remove_method_overrides(r);
        decide_anew(r, request, config);
        request.decided_path = r->uri;
        request.decided_for = r->per_dir_config;  // set last: if an exception came before, nothing is decided
    }
    return request.reason == Reason::kGranted || is_passed_by_log_only(config, request.reason);
}

int status_of(Reason reason) { return reason == Reason::kInternalError ? HTTP_INTERNAL_SERVER_ERROR : HTTP_FORBIDDEN; }

std::span<const Variable> variables_of(request_rec* r, const RequestState& request, bool denied) {
    if (!denied) return request.handover != nullptr ? request.handover->variables : std::span<const Variable>();
    constexpr std::size_t kCount = 2;
    auto* const out = static_cast<Variable*>(apr_palloc(r->pool, kCount * sizeof(Variable)));
    out[0] = {"MTLS_DECISION", is_passed_by_log_only(dir_config(r), request.reason) ? "would-deny" : "deny"};
    out[1] = {"MTLS_REASON", word_of(request.reason).data()};
    return {out, kCount};
}

void set_application_variables(request_rec* r, RequestState& request, bool by_gate) {
    const bool denied = by_gate && request.reason != Reason::kGranted;
    request.variables_set = set_variables(r, variables_of(r, request, denied), denied);
}

// In fixups: sets the variables again if another module changed them.
void restore_application_variables(request_rec* r, RequestState& request, bool by_gate) {
    const bool stands = by_gate && request.reason == Reason::kGranted && !request.variables_set.variables.empty() &&
                        request.variables_set.variables.data() == request.handover->variables.data() &&
                        are_unchanged(r, request.variables_set);
    if (!stands) set_application_variables(r, request, by_gate);
}

// Flattened except for rare cases: every request behind a gate runs this.
[[gnu::flatten]] int check_access(request_rec* r) {
    const DirConfig& config = dir_config(r);
    RequestState& request = request_state(r);
    const bool pass = decide_once(r, request, config);
    set_application_variables(r, request, true);
    return pass ? DECLINED : status_of(request.reason);
}

[[gnu::noinline]] int check_access_guarded(request_rec* r) {
    return guarded(r, [&] { return check_access(r); });
}

constexpr const char* kNoTrace = "TRACE is answered before any access check, so it is refused where a gate applies";

int refuse(request_rec* r, RequestState& request, const Objection& objection) {
    RequestDecision d;
    d.reason = objection.reason;
    d.detail = objection.detail;
    request.reason = d.reason;
    request.denied_for = Denial{d.reason};
    request.handover = nullptr;
    account_for(r, d, Outcome::kDeny, is_lookup(r));
    set_application_variables(r, request, true);
    return HTTP_FORBIDDEN;
}

// The common case: nothing changed since the access checker, and nothing is left to do.
[[gnu::flatten]] bool is_grant_unchanged(const request_rec* r, const RequestState& request) {
    return request.is_settled && request.decided_for == r->per_dir_config && request.decided_path == r->uri &&
           are_unchanged(r, request.variables_set);
}

// The common case outside of gates: no subrequest or redirect, and no reading of the path is behind a gate.
bool is_out_of_reach(const request_rec* r) {
    const DirConfig& config = dir_config(r);
    return is_initial(r) && !has_gate(config) && !config.has_provider && !may_reach_below(r) && is_plain(r);
}

// httpd copied the user of the originating request, and ran neither logins nor Require lines, because the merged
// configuration is the same: see ap_process_request_internal().
bool was_authorization_skipped(const request_rec* r) {
    const bool by_redirect = r->prev != nullptr && r->prev->per_dir_config == r->per_dir_config;
    return by_redirect || (r->main != nullptr && r->main->per_dir_config == r->per_dir_config);
}

// The request that this one is a redirect or subrequest of.
const request_rec* origin_of(const request_rec* r) { return r->prev != nullptr ? r->prev : r->main; }

// A user that the module set there has not logged in.
void forget_inherited_user(request_rec* r) {
    if (r->user == nullptr) return;
    for (const request_rec* origin = origin_of(r); origin != nullptr; origin = origin_of(origin)) {
        const RequestState* const origin_state = find_state(origin);
        if (origin_state == nullptr || origin_state->own_user != r->user) continue;
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
    if (request.handover == nullptr) return false;
    return has_gate(dir_config(r)) ? request.reason == Reason::kGranted : authorizes(r);
}

// In fixups, since what was decided before may no longer hold, or was skipped. DECLINED: the request may go on.
int decide_again(request_rec* r, RequestState& request, const DirConfig& config) {
    // Behind a <Proxy> gate: its section was not merged before.
    if (r->method_number == M_TRACE && is_guarded(r)) return refuse(r, request, {Reason::kMethodNotGranted, kNoTrace});
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
    // Another Require line may have let the request in before the one about grants was asked.
    const bool is_by_method = config.requires_grant || (request.overrides_method && acts_elsewhere_if_overridden(r));
    if (is_by_method) remove_method_overrides(r);
    if (gate && !decide_once(r, request, config)) {
        set_application_variables(r, request, true);
        return status_of(request.reason);
    }
    if (const auto objection = gate ? std::nullopt : find_objection(r)) return refuse(r, request, *objection);
    if (const auto objection = object_to_destination(r)) return refuse(r, request, *objection);
    if (!state().action_programs.empty()) {
        if (const auto objection = object_to_action(r)) return refuse(r, request, *objection);
    }
    // httpd skipped it, Satisfy Any bypassed it, or it was for another path.
    if (is_to_be_authorized(r, request)) {
        if (!gate) request.handover = nullptr;
        const int status = authorize_again(r);
        if (status != OK) return status;
    }
    return DECLINED;
}

int assert_decision(request_rec* r) {
    forget_inherited_user(r);
    const bool is_concerned = server_config(r->server).has_gates || find_state(r) != nullptr ||
                              (was_authorization_skipped(r) && is_authenticated_here(r));
    // Of an originating request's grant, no field is left in any case.
    if (!is_concerned) {
        forward(r, nullptr);
        return DECLINED;
    }
    const DirConfig& config = dir_config(r);
    RequestState& request = request_state(r);
    const int status = decide_again(r, request, config);
    const bool granted = status == DECLINED && is_granted(r, request);
    forward(r, granted ? request.handover->fields : nullptr);
    if (status != DECLINED) return status;
    const bool gate = has_gate(config);
    if (config.has_provider) forbid_caching(r);
    if (gate || config.has_provider || request.handover != nullptr) restore_application_variables(r, request, gate);
    if (granted && config.remote_user.value_or(false) && r->user == nullptr) {
        set_own_user(r, request.handover->partner);
    }
    request.denied_for.reset();  // a failed Require beside one that held: not the reason of a later denial
    request.fixups_done = true;
    return DECLINED;
}

// A look-up before the main request's handler may become the request, which then runs with the main request's method:
// httpd looks up everything with GET. mod_dav keeps the method that it serves.
[[gnu::noinline]] void apply_main_method(request_rec* r) {
    const request_rec& main = *r->main;
    if (r->method_number != M_GET || main.method_number == M_GET || state().sections.empty()) return;
    const RequestState* const main_state = find_state(&main);
    if (is_served_by_dav(&main) || (main_state != nullptr && main_state->is_served)) return;
    r->method = main.method;
    r->method_number = main.method_number;
}

void note_lookup(const request_rec* r) {
    RequestState* const main = find_state(r->main);
    if (main == nullptr) return;
    main->lookup = r;
    main->lookup_path = r->uri;
}

// mod_dir turned a look-up into the request: the look-up's grant applies, and the folder's does not.
void adopt_lookup(request_rec* r, RequestState& request) {
    const DirConfig& config = dir_config(r);
    const RequestState* const found = find_state(request.lookup);
    const bool gate = has_gate(config);
    request.handover = found != nullptr ? found->handover : nullptr;
    if (!gate && !config.has_provider && request.handover == nullptr) return;
    if (found != nullptr) request.reason = found->reason;
    set_application_variables(r, request, gate);
    const bool granted = is_granted(r, request);
    forward(r, granted ? request.handover->fields : nullptr);
    if (r->user == nullptr || r->user != request.own_user) return;
    r->user = request.lookup->user;
    r->ap_auth_type = request.lookup->ap_auth_type;
    request.own_user = found != nullptr ? found->own_user : nullptr;
}

[[gnu::noinline]] int adopt_lookup_guarded(request_rec* r) {
    return guarded(r, [&] {
        adopt_lookup(r, request_state(r));
        return DECLINED;
    });
}

[[gnu::noinline]] int assert_decision_guarded(request_rec* r) {
    return guarded(r, [&] { return assert_decision(r); });
}

// Another module may have set such a field since the request was read.
[[gnu::noinline]] int remove_forwarded_guarded(request_rec* r) {
    return guarded(r, [&] {
        remove_forwarded(r);
        return DECLINED;
    });
}

// A section that was left out, since its expression gave up on the path, may be the one that decides.
[[gnu::noinline]] int refuse_failed_pattern(request_rec* r) {
    return guarded(r, [&] {
        const GateSection* const section = find_failed_pattern(r);
        if (section == nullptr) return DECLINED;
        const std::string detail = "the regular expression of " + section->title() + " at " +
                                   short_place(section->where) +
                                   " gave up on this path: write it without a repetition of what repeats, such as "
                                   "[^/]+ in place of .*";
        return refuse(r, request_state(r), {Reason::kBadPath, detail});
    });
}

[[gnu::noinline]] int remember_captures(request_rec* r) {
    return guarded(r, [&] {
        keep_captures(r);
        return DECLINED;
    });
}

// mod_proxy looks for no file.
bool is_sent_on(const request_rec* r) {
    return r->proxyreq != PROXYREQ_NONE && r->filename != nullptr &&
           std::string_view(r->filename).starts_with("proxy:");
}

// TRACE is answered before any access check, and before httpd merges the sections: merge them here.
int refuse_trace(request_rec* r) {
    const bool has_file = !is_sent_on(r);
    for (const auto walk : {ap_directory_walk, ap_file_walk, ap_location_walk, ap_if_walk}) {
        const bool is_of_files = walk == ap_directory_walk || walk == ap_file_walk;
        const int status = has_file || !is_of_files ? walk(r) : OK;
        if (status != OK) return status;
    }
    if (!is_guarded(r) && find_failed_pattern(r) == nullptr) return DECLINED;
    RequestDecision d;
    decide_request(r, {}, d);
    d.reason = Reason::kMethodNotGranted;
    d.detail = kNoTrace;
    RequestState& request = request_state(r);
    request.reason = d.reason;
    request.denied_for = Denial{d.reason};
    account_for(r, d, Outcome::kDeny, false);
    request.decided_path = r->uri;
    request.decided_for = r->per_dir_config;
    return HTTP_FORBIDDEN;
}

// LogOnly is for comparison with the rule that it replaces: if that rule denied first, decide now.
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
    RequestState* const request = find_state(r);
    const bool is_done = request != nullptr ? is_grant_unchanged(r, *request) : is_out_of_reach(r);
    if (!is_done) return assert_decision_guarded(r);
    request_state(r).fixups_done = true;
    return state().forwarded_keys.empty() ? DECLINED : remove_forwarded_guarded(r);
}
extern "C" int on_late_fixups(request_rec* r) {
    const RequestState* const request = find_state(r);
    const bool has_become = request != nullptr && request->lookup != nullptr && request->lookup_path == r->uri;
    return has_become ? adopt_lookup_guarded(r) : DECLINED;
}
extern "C" int on_post_perdir_config(request_rec* r) {
    return asks_captures(dir_config(r)) ? remember_captures(r) : DECLINED;
}
extern "C" int on_sections_merged(request_rec* r) { return refuse_failed_pattern(r); }
extern "C" int on_map_to_storage(request_rec* r) {
    if (r->main != nullptr) apply_main_method(r);
    return r->method_number == M_TRACE ? refuse_trace_guarded(r) : DECLINED;
}
extern "C" int on_handler(request_rec* r) {
    if (r->handler == nullptr) return DECLINED;
    const char first = *r->handler;  // most handler names differ in the first character
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

void hook_patterns() {
    if (!is_any_directive(is_regex_section)) return;
    ap_hook_post_perdir_config(on_sections_merged, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
}

void hook_captures() { ap_hook_post_perdir_config(on_post_perdir_config, nullptr, nullptr, APR_HOOK_FIRST); }

void hook_comparison() { ap_hook_log_transaction(on_log_transaction, nullptr, nullptr, APR_HOOK_FIRST); }

void register_request_hooks() {
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    // After modules that set variables, before modules that read them or redirect.
    static const char* const kBeforeReaders[] = {"mod_headers.c", "mod_dir.c", nullptr};

    static const char* const kAfterIndexes[] = {"mod_dir.c", nullptr};

    // mod_proxy ends the phase for what it sends on, so the order of LoadModule must not put it before us.
    ap_hook_map_to_storage(on_map_to_storage, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(on_access_checker, kAfterSsl, nullptr, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(on_fixups, nullptr, kBeforeReaders, APR_HOOK_LAST);
    ap_hook_fixups(on_late_fixups, kAfterIndexes, nullptr, APR_HOOK_REALLY_LAST);
    hook_handler_guard();
}

}  // namespace mtls::httpd
