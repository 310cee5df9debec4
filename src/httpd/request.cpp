#include "request.hpp"

#include <array>

#include "accounting.hpp"
#include "mtls_authz/request_path.hpp"
#include "mtls_authz/text.hpp"
#include "nested.hpp"
#include "providers.hpp"

namespace mtls::httpd {

namespace {

std::int64_t now_seconds() { return static_cast<std::int64_t>(apr_time_sec(apr_time_now())); }

const char* base64url(apr_pool_t* pool, std::string_view raw) {
    std::string out = base64(raw);
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return pool_text(pool, out);
}

// The certificate as it is now: on the connection's own thread it may have changed since the last request.
std::shared_ptr<const PresentedCertificate> certificate_of(conn_rec* c, TlsConnection& tls) {
    if (c->master == nullptr) tls.refresh();
    return tls.certificate();
}

}  // namespace

RequestState& request_state(request_rec* r) {
    void* known = ap_get_module_config(r->request_config, &mtls_authz_module);
    if (known == nullptr) {
        known = pool_new<RequestState>(r->pool);
        ap_set_module_config(r->request_config, &mtls_authz_module, known);
    }
    return *static_cast<RequestState*>(known);
}

Decision identify_request(request_rec* r) {
    Decision d;
    d.snapshot = state().snapshot();
    TlsConnection* const tls = tls_of(r->connection);
    if (tls == nullptr) {
        d.reason = Reason::kNoTls;
        return d;
    }
    d.certificate = certificate_of(r->connection, *tls);
    d.tls = tls->facts();
    if (!d.certificate) {
        d.reason = Reason::kNoCertificate;
        return d;
    }
    if (!d.snapshot) {
        d.reason = Reason::kPolicyUnavailable;
        return d;
    }
    d.who = tls->identifications().identify(d.certificate, *d.snapshot, server_config(r->server).cas, now_seconds());
    d.reason = d.who->reason;
    d.detail = d.who->detail;
    return d;
}

const char* effective_method(const request_rec* r) {
    const request_rec* const main = r->main;
    const bool destination = main != nullptr && (main->method_number == M_COPY || main->method_number == M_MOVE);
    return destination ? main->method : r->method;
}

void forbid_caching(request_rec* r) {
    for (; r != nullptr; r = r->main != nullptr ? r->main : r->prev) {
        r->no_cache = 1;
        // mod_cache looks at no_cache only before it stores the first bytes; an include decides later than that.
        // Without its filter what it has begun to store is never completed.
        for (ap_filter_t* f = r->output_filters; f != nullptr;) {
            ap_filter_t* const next = f->next;
            const std::string_view name = f->frec->name;
            if (equal_nocase(name, "CACHE_SAVE") || equal_nocase(name, "CACHE_SAVE_SUBREQ")) ap_remove_output_filter(f);
            f = next;
        }
        if (r->main != nullptr && r->prev != nullptr) forbid_caching(r->prev);
    }
}

Reason check_path(const request_rec* r) {
    const bool fault = r->uri != nullptr && find_path_fault(r->uri) != PathFault::kNone;
    return fault ? Reason::kBadPath : Reason::kGranted;
}

RequestLine request_line(request_rec* r) {
    return {effective_method(r), r->uri != nullptr ? r->uri : "", request_state(r).reaches_below};
}

void remove_method_overrides(request_rec* r) {
    for (const char* header :
         {"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"}) {
        apr_table_unset(r->headers_in, header);
    }
}

const Handover* make_handover(request_rec* r, const Decision& decision) {
    apr_pool_t* const pool = r->pool;
    const Identification& who = *decision.who;
    auto& out = *pool_new<Handover>(pool);
    out.partner = pool_text(pool, who.partner->name);
    out.fields = forwarded_fields(r, decision);
    if (!who.attributes.empty()) {
        out.attributes = apr_table_make(pool, static_cast<int>(who.attributes.size()));
        for (const auto& [name, value] : who.attributes) {
            apr_table_set(out.attributes, ("MTLS_ATTR_" + name).c_str(), value.c_str());
        }
    }
    if (dir_config(r).env.value_or(EnvLevel::kBasic) != EnvLevel::kAll) return &out;
    std::string groups;
    for (const std::string& group : who.groups) groups += (groups.empty() ? "" : ",") + group;
    const std::string& digest = decision.certificate->facts.sha256;
    out.groups = pool_text(pool, groups);
    out.identity = pool_text(pool, who.identity->text());
    out.sha256 = pool_text(pool, hex(bytes_of(digest)));
    out.thumbprint = base64url(pool, digest);
    out.generation = pool_text(pool, decision.snapshot->policy->generation());
    return &out;
}

namespace {

// A request that only asks whether something may be seen: MultiViews and rewrite conditions before the main request's
// fixups, a directory listing while its handler runs.
bool is_lookup(const request_rec* r) {
    if (r->main == nullptr) return false;
    const auto* const main =
        static_cast<const RequestState*>(ap_get_module_config(r->main->request_config, &mtls_authz_module));
    if (main == nullptr || !main->fixups_done || is_lookup(r->main)) return true;
    return main->handler_started && r->main->handler != nullptr && std::string_view(r->main->handler) == DIR_MAGIC_TYPE;
}

bool names_methods(const DirConfig& config) {
    const auto named = [](const GateRules& rules) {
        for (const GateRule& rule : rules) {
            if (!rule.methods.is_all() || rule.kind == GateRule::Kind::kByGrant) return true;
        }
        return false;
    };
    if (config.allow != nullptr && named(*config.allow)) return true;
    for (const DenyChain* chain = config.deny; chain != nullptr; chain = chain->outer) {
        if (named(*chain->rules)) return true;
    }
    return false;
}

std::vector<Capture> captures_of(const RequestState& state) {
    std::vector<Capture> out;
    if (state.captures == nullptr) return out;
    const apr_array_header_t* const all = apr_table_elts(state.captures);
    const auto* const entries = reinterpret_cast<const apr_table_entry_t*>(all->elts);
    for (int i = 0; i < all->nelts; ++i) out.push_back({entries[i].key, entries[i].val});
    return out;
}

Decision decide_request(request_rec* r, const RequestState& state) {
    const DirConfig& config = dir_config(r);
    Decision d = identify_request(r);
    if (check_path(r) != Reason::kGranted) {
        d.reason = Reason::kBadPath;
        return d;
    }
    if (const GateSection* const nested = nested_gate(r)) {
        d.reason = Reason::kNestedGate;
        d.detail = nested->title() + " at " + short_place(nested->where);
        return d;
    }
    if (!d.granted()) return d;
    const auto captures = captures_of(state);
    const GateAnswer answer =
        mtls::decide({gate_mode(config), config.allow, config.deny}, *d.who, request_line(r), captures);
    d.reason = answer.reason;
    d.gate_rule = answer.rule;
    d.grant = answer.grant;
    return d;
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

// Decides once for this request and its configuration; logs; returns whether it may go on.
bool decide_once(request_rec* r) {
    RequestState& request = request_state(r);
    const DirConfig& config = dir_config(r);
    forbid_caching(r);
    if (!is_decided(r, request)) {
        if (names_methods(config)) remove_method_overrides(r);
        const std::int64_t start = start_measuring();
        Decision d = decide_request(r, request);
        d.duration = nanoseconds_since(start);
        request.handover = d.granted() ? make_handover(r, d) : nullptr;
        request.reason = d.reason;
        request.decided_path = r->uri;
        request.decided_for = r->per_dir_config;  // last: what threw before this has decided nothing
        const Outcome outcome = d.granted()                        ? Outcome::kAllow
                                : is_let_through(config, d.reason) ? Outcome::kWouldDeny
                                                                   : Outcome::kDeny;
        if (outcome == Outcome::kDeny) request.denied_for = d.reason;
        account_for(r, d, outcome, is_lookup(r));
    }
    return request.reason == Reason::kGranted || is_let_through(config, request.reason);
}

int status_of(Reason reason) { return reason == Reason::kInternalError ? HTTP_INTERNAL_SERVER_ERROR : HTTP_FORBIDDEN; }

void remove_variables(request_rec* r, bool with_redirects) {
    std::vector<std::string> names;
    const apr_array_header_t* const all = apr_table_elts(r->subprocess_env);
    const auto* const entries = reinterpret_cast<const apr_table_entry_t*>(all->elts);
    for (int i = 0; i < all->nelts; ++i) {
        std::string_view name = entries[i].key != nullptr ? entries[i].key : "";
        while (with_redirects && name.starts_with("REDIRECT_")) name.remove_prefix(9);
        if (name.starts_with("MTLS_")) names.emplace_back(entries[i].key);
    }
    for (const std::string& name : names) apr_table_unset(r->subprocess_env, name.c_str());
}

void set_variable(request_rec* r, const char* name, const char* value) {
    if (value != nullptr) apr_table_setn(r->subprocess_env, name, value);
}

void set_variables(request_rec* r, const RequestState& request, bool by_gate) {
    const bool granted = !by_gate || request.reason == Reason::kGranted;
    remove_variables(r, !granted);
    if (!by_gate && request.handover == nullptr) return;
    const bool let_through = by_gate && is_let_through(dir_config(r), request.reason);
    set_variable(r, "MTLS_DECISION", granted ? "allow" : let_through ? "would-deny" : "deny");
    if (!granted) {
        set_variable(r, "MTLS_REASON", word_of(request.reason).data());
        return;
    }
    const Handover& h = *request.handover;
    set_variable(r, "MTLS_PARTNER", h.partner);
    set_variable(r, "MTLS_GROUPS", h.groups);
    set_variable(r, "MTLS_IDENTITY", h.identity);
    set_variable(r, "MTLS_CERT_SHA256", h.sha256);
    set_variable(r, "MTLS_CERT_THUMBPRINT", h.thumbprint);
    set_variable(r, "MTLS_GENERATION", h.generation);
    if (h.attributes != nullptr) apr_table_overlap(r->subprocess_env, h.attributes, APR_OVERLAP_TABLES_SET);
}

int check_access(request_rec* r) {
    const DirConfig& config = dir_config(r);
    if (!has_gate(config)) return DECLINED;
    RequestState& request = request_state(r);
    const bool pass = decide_once(r);
    set_variables(r, request, true);
    return pass ? DECLINED : status_of(request.reason);
}

// Asked of places without a gate too: what a backend reads as `..` could lead from there behind one.
int check_ungated(request_rec* r) {
    const GateSection* const nested = nested_gate(r);
    const bool devious = r->uri != nullptr && find_path_fault(r->uri) == PathFault::kDotSegment;
    if (nested == nullptr && !devious) return DECLINED;
    Decision d;
    d.reason = nested != nullptr ? Reason::kNestedGate : Reason::kBadPath;
    if (nested != nullptr) d.detail = nested->title() + " at " + short_place(nested->where);
    request_state(r).denied_for = d.reason;
    account_for(r, d, Outcome::kDeny, is_lookup(r));
    return HTTP_FORBIDDEN;
}

int assert_decision(request_rec* r) {
    forward(r, nullptr);  // whatever another request, which led here, was granted
    const bool known = ap_get_module_config(r->request_config, &mtls_authz_module) != nullptr;
    if (state().sections.empty() && !known) return DECLINED;
    const DirConfig& config = dir_config(r);
    RequestState& request = request_state(r);
    const bool gate = has_gate(config);
    if (reaches_below(r) && !request.reaches_below) {
        request.reaches_below = true;
        request.decided_for = nullptr;
        request.provider_asked = request.provider_asked && !config.requires_grant;
    }
    if (gate && !decide_once(r)) {
        set_variables(r, request, true);
        return status_of(request.reason);
    }
    if (!gate) {
        const int ungated = check_ungated(r);
        if (ungated != DECLINED) return ungated;
    }
    // Skipped by httpd, or passed by by Satisfy Any.
    if (config.has_provider && !request.provider_asked) {
        const int status = authorize_again(r);
        if (status != OK) return status;
    }
    if (config.has_provider) forbid_caching(r);
    if (gate || config.has_provider || request.handover != nullptr) set_variables(r, request, gate);
    if (request.handover != nullptr && config.remote_user.value_or(false) && r->user == nullptr) {
        r->user = apr_pstrdup(r->pool, request.handover->partner);
    }
    const bool granted = gate ? request.reason == Reason::kGranted : config.has_provider || is_authenticated_here(r);
    if (granted && request.handover != nullptr) forward(r, request.handover->fields);
    request.denied_for.reset();  // a Require that was not satisfied, beside one that was: not why anybody denies later
    request.fixups_done = true;
    return DECLINED;
}

// The values that the sections' regular expressions captured, before .htaccess can set others by the same name.
void remember_captures(request_rec* r) {
    const DirConfig& config = dir_config(r);
    const auto remember = [r](const GateRules& rules) {
        for (const GateRule& rule : rules) {
            for (const NameReference& name : rule.names) {
                if (name.capture.empty()) continue;
                RequestState& request = request_state(r);
                if (request.captures == nullptr) request.captures = apr_table_make(r->pool, 2);
                const char* const value = apr_table_get(r->subprocess_env, name.capture.c_str());
                apr_table_set(request.captures, name.capture.c_str(), value != nullptr ? value : "");
            }
        }
    };
    if (!has_gate(config)) return;
    if (config.allow != nullptr) remember(*config.allow);
    for (const DenyChain* chain = config.deny; chain != nullptr; chain = chain->outer) remember(*chain->rules);
}

// TRACE is answered before any access check, and before httpd has merged the sections: so they are merged here.
int refuse_trace(request_rec* r) {
    if (r->method_number != M_TRACE) return DECLINED;
    for (const auto walk : {ap_directory_walk, ap_file_walk, ap_location_walk, ap_if_walk}) {
        const int status = walk(r);
        if (status != OK) return status;
    }
    const DirConfig& config = dir_config(r);
    if (!has_gate(config) && !config.has_provider) return DECLINED;
    Decision d = identify_request(r);
    d.reason = Reason::kMethodNotGranted;
    d.detail = "TRACE is answered before any access check, so it is refused where a gate applies";
    request_state(r).denied_for = d.reason;
    account_for(r, d, Outcome::kDeny, false);
    return HTTP_FORBIDDEN;
}

// A redirect inside the server may have lost no_cache since the decision.
void forbid_caching_again(request_rec* r) {
    const DirConfig& config = dir_config(r);
    if (has_gate(config) || config.has_provider || is_authenticated_here(r)) forbid_caching(r);
    void* const known = ap_get_module_config(r->request_config, &mtls_authz_module);
    if (known != nullptr) static_cast<RequestState*>(known)->handler_started = true;
}

// LogOnly is there to compare with the rule that it replaces: where that one denied first, decide now.
int finish(request_rec* r) {
    const DirConfig& config = dir_config(r);
    const bool undecided = has_gate(config) && gate_mode(config) == GateMode::kLogOnly &&
                           request_state(r).decided_for != r->per_dir_config;
    const bool denied_elsewhere = r->status == HTTP_FORBIDDEN || r->status == HTTP_UNAUTHORIZED;
    if (undecided && denied_elsewhere) decide_once(r);
    close_accounts(r);
    return DECLINED;
}

extern "C" int on_access_checker(request_rec* r) {
    return guarded(r, [&] { return check_access(r); });
}
extern "C" int on_fixups(request_rec* r) {
    return guarded(r, [&] { return assert_decision(r); });
}
extern "C" int on_post_perdir_config(request_rec* r) {
    return guarded(r, [&] {
        remember_captures(r);
        return DECLINED;
    });
}
extern "C" int on_map_to_storage(request_rec* r) {
    return guarded(r, [&] { return refuse_trace(r); });
}
extern "C" void on_insert_filter(request_rec* r) {
    guarded(r, [&] {
        forbid_caching_again(r);
        return OK;
    });
}
extern "C" int on_log_transaction(request_rec* r) {
    return guarded(r->server, DECLINED, [&] { return finish(r); });
}

}  // namespace

void register_request_hooks() {
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    // After whatever sets variables, before whatever reads them or leaves for another request.
    static const char* const kBeforeReaders[] = {"mod_headers.c", "mod_dir.c", nullptr};

    ap_hook_post_perdir_config(on_post_perdir_config, nullptr, nullptr, APR_HOOK_FIRST);
    ap_hook_map_to_storage(on_map_to_storage, nullptr, nullptr, APR_HOOK_FIRST);
    ap_hook_check_access(on_access_checker, kAfterSsl, nullptr, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(on_fixups, nullptr, kBeforeReaders, APR_HOOK_LAST);
    ap_hook_insert_filter(on_insert_filter, nullptr, nullptr, APR_HOOK_LAST);
    ap_hook_log_transaction(on_log_transaction, nullptr, nullptr, APR_HOOK_FIRST);
}

}  // namespace mtls::httpd
