#include "live.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "config.hpp"
#include "log.hpp"
#include "mtls_authz/refusal_report.hpp"
#include "start_checks.hpp"

extern "C" {
#include <mod_watchdog.h>
}

namespace mtls::httpd {

namespace {

constexpr const char* kMended = "the policy files are no longer refused";
constexpr apr_interval_time_t kTick = apr_time_from_msec(500);

// More only in the build for ThreadSanitizer, so that a test sees thousands of reloads.
#ifndef MTLS_AUTHZ_LOOKS_PER_TICK
#define MTLS_AUTHZ_LOOKS_PER_TICK 1
#endif

// Every child finds the same: the first one says it, the others at debug.
int level_for(bool first, int level) { return first ? level : APLOG_DEBUG; }

bool is_first_to_say(const std::string& text) {
    SharedState* const shared = state().live.shared.get();
    return shared == nullptr || shared->is_first_to_say(text, apr_time_sec(apr_time_now()));
}

// `content`: of the files that were refused for these; said again for each.
void log_findings(const server_rec* s, const std::vector<Diagnostic>& findings, const std::string& content = {}) {
    for (const Diagnostic& d : findings) {
        const int level = d.severity == Diagnostic::Severity::kError ? APLOG_ERR : APLOG_WARNING;
        // Asked outside of the macro, which evaluates its arguments twice.
        const bool first = is_first_to_say(content + d.str());
        ap_log_error(APLOG_MARK, level_for(first, level), 0, s, "mtls_authz: %s", d.str().c_str());
    }
}

void count_reload(bool ok) {
    Ledger& ledger = *state().ledger;
    ++(ok ? ledger.reloads_ok : ledger.reloads_failed);
}

void log_refusal(const server_rec* s, const std::vector<Diagnostic>& findings, const std::string& content) {
    Live& live = state().live;
    const bool first = is_first_to_say(content);
    if (first) {
        count_reload(false);
        state().ledger->refused_since = apr_time_sec(apr_time_now());
    }
    if (live.shared) live.shared->forget(kMended + content);
    constexpr std::size_t kMostSayings = 1000;
    for (const Diagnostic& d : findings) {
        if (live.said.size() < kMostSayings) live.said.push_back(content + d.str());
    }
    live.said.push_back(content);
    const auto snapshot = live.policy.current();
    const std::string consequence = snapshot ? "generation " + std::string(snapshot->policy->generation()) +
                                                   " stays in force since " + format_time(live.policy.in_force_since())
                                             : kAllClosed;
    ap_log_error(APLOG_MARK, level_for(first, APLOG_ERR), 0, s, "mtls_authz: the policy files are refused: %s",
                 consequence.c_str());
}

// What was refused and then mended is said again, should it come back.
void forget_refusals(const server_rec* s) {
    Live& live = state().live;
    if (live.said.empty()) return;
    const bool first = is_first_to_say(kMended + live.said.back());
    state().ledger->refused_since = 0;
    ap_log_error(APLOG_MARK, level_for(first, APLOG_NOTICE), 0, s, "mtls_authz: %s", kMended);
    for (const std::string& text : live.said) {
        if (live.shared) live.shared->forget(text);
    }
    live.said.clear();
}

void log_move(const server_rec* s, const Policy* before, const Policy& policy) {
    const std::string generation(policy.generation());
    if (before != nullptr && before->generation() == generation) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s, "mtls_authz: generation %s is read anew: nothing in it changed",
                     generation.c_str());
        return;
    }
    SharedState* const shared = state().live.shared.get();
    const bool first = shared == nullptr || shared->is_first_to_move_to(policy.generation());
    if (first) count_reload(true);
    const std::string change = before != nullptr ? describe_change(*before, policy) : "read at last";
    ap_log_error(APLOG_MARK, level_for(first, APLOG_NOTICE), 0, s, "mtls_authz: generation %s replaces %s: %s",
                 generation.c_str(), before != nullptr ? std::string(before->generation()).c_str() : "none",
                 change.c_str());
    std::vector<Diagnostic> warnings;
    check_gate_names(policy, warnings);
    log_findings(s, warnings);
}

// What no longer holds is said again, should it come back.
void log_mended(const server_rec* s, const std::vector<Diagnostic>& mended) {
    SharedState* const shared = state().live.shared.get();
    for (const Diagnostic& d : mended) {
        if (shared != nullptr) shared->forget(d.str());
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s, "mtls_authz: no longer so: %s", d.str().c_str());
    }
}

void report(const server_rec* s, const LookOutcome& outcome) {
    log_mended(s, outcome.mended);
    log_findings(s, outcome.findings, outcome.refused);
    if (!outcome.refused.empty()) log_refusal(s, outcome.findings, outcome.refused);
    const auto after = state().live.policy.current();
    const bool moved = outcome.moved && after;
    if (outcome.policy_clean) forget_refusals(s);
    if (moved) log_move(s, outcome.before.get(), *after->policy);
    if (!outcome.moved_files || !after) return;
    SharedState* const shared = state().live.shared.get();
    const bool first =
        !outcome.moved_refusals || shared == nullptr || shared->is_first_to_refuse(after->refusals->digest);
    std::string text = "in force by files: " + std::to_string(after->refusals->revocations.all().size()) +
                       " revocation(s), " + std::to_string(after->refusals->suspended.size()) + " suspension(s), " +
                       std::to_string(after->crls->size()) + " CRL(s)";
    if (first && !outcome.refusing.empty()) {
        text += "; " + describe_refusals(outcome.refusing, *after->policy, state().ledger->sightings,
                                         apr_time_sec(apr_time_now()));
    }
    ap_log_error(APLOG_MARK, level_for(first, APLOG_NOTICE), 0, s, "mtls_authz: %s", text.c_str());
}

void look_and_log(const server_rec* s) { report(s, state().live.policy.look()); }

// What another child builds is followed at once, and not at a tick some time after that.
void follow_soon(const server_rec* s) {
    constexpr apr_interval_time_t kPause = apr_time_from_msec(20);
    constexpr apr_interval_time_t kLongest = 4 * kTick;  // it looks again after one
    LivePolicy& policy = state().live.policy;
    if (!policy.is_other_building()) return;
    for (apr_interval_time_t slept = 0; slept < kLongest && policy.is_other_building(); slept += kPause) {
        apr_sleep(kPause);
    }
    if (!policy.is_other_building()) look_and_log(s);
}

// What the status page shows of this process.
void tell_siblings() {
    const auto snapshot = state().snapshot();
    ChildInfo info;
    info.pid = static_cast<std::int32_t>(getpid());
    if (snapshot) info.generation = snapshot->policy->generation();
    info.in_force_since = state().live.policy.in_force_since();
    info.looked = apr_time_sec(apr_time_now());
    state().ledger->children.tell(info);
}

apr_status_t on_watchdog(int watchdog_state, void* data, apr_pool_t*) {
    const auto* const s = static_cast<const server_rec*>(data);
    if (watchdog_state != AP_WATCHDOG_STATE_RUNNING) return APR_SUCCESS;
    // A look that fails changes nothing: what was in force stays so.
    return guarded(s, APR_SUCCESS, [&] {
        log_left_out(s);
        if (state().refresh_seconds == 0) return APR_SUCCESS;
        // After a difference the second look comes at the next tick, whatever the interval.
        static std::atomic<apr_time_t> last_look{0};
        const apr_time_t now = apr_time_now();
        const bool due = now - last_look >= apr_time_from_sec(state().refresh_seconds) - kTick / 2 || now < last_look;
        if (!due && !state().live.policy.is_waiting()) return APR_SUCCESS;
        last_look = now;
        look_and_log(s);
        follow_soon(s);
        for (int i = 1; i < MTLS_AUTHZ_LOOKS_PER_TICK; ++i) {
            apr_sleep(apr_time_from_msec(1));
            look_and_log(s);
        }
        tell_siblings();
        return APR_SUCCESS;
    });
}

// Kept in the process's own pool, over restarts: what was counted before goes on.
int open_ledger(server_rec* s) {
    constexpr const char* kKey = "mtls_authz-ledger";
    apr_pool_t* const pool = s->process->pool;
    void* known = nullptr;
    apr_pool_userdata_get(&known, kKey, pool);
    state().ledger = Ledger::adopt(known);
    if (state().ledger != nullptr) return OK;
    state().ledger = Ledger::create();
    if (state().ledger == nullptr) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s, "mtls_authz: no memory to count decisions in");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    // Not setn: the key would lie in this object file, which a restart unloads.
    apr_pool_userdata_set(state().ledger, kKey, nullptr, pool);
    return OK;
}

void share_state(const server_rec* s) {
    Live& live = state().live;
    live.shared = SharedState::create();
    if (live.shared && live.policy.is_shared()) return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                 "mtls_authz: no memory to share between children: each of them has a policy of its own and logs by "
                 "itself, and one that starts while policy files are broken refuses everything until they are mended");
}

int start_watchdog(apr_pool_t* pconf, server_rec* s) {
    const bool must_look = state().refresh_seconds > 0;
    const auto get_instance = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    const auto register_callback = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    if (get_instance == nullptr || register_callback == nullptr) {
        if (!must_look) return OK;
        ap_log_error(
            APLOG_MARK, APLOG_EMERG, 0, s,
            "mtls_authz: files can only be looked at while the server runs with mod_watchdog: add 'LoadModule "
            "watchdog_module modules/mod_watchdog.so', or set MTLSPolicyRefresh 0 to read them only at a restart");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    constexpr int kInEveryChild = 0;
    ap_watchdog_t* watchdog = nullptr;
    if (get_instance(&watchdog, "_mtls_authz_", kInEveryChild, 0, pconf) != APR_SUCCESS ||
        register_callback(watchdog, kTick, s, on_watchdog) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "mtls_authz: mod_watchdog does not take the module's callback");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

extern "C" int on_post_config_watchdog(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*, server_rec* s) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] {
        const int opened = open_ledger(s);
        if (opened != OK) return opened;
        state().ledger->refused_since = 0;
        share_state(s);
        return start_watchdog(pconf, s);
    });
}

// From here on the parent looks at nothing: what it has read is given back once all children have moved on.
extern "C" int on_post_config_last(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* s) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] {
        state().policy.reset();
        state().live.policy.let_go();
        return OK;
    });
}

// httpd's children end while the watchdog's thread goes on: it must not be in OpenSSL when that is taken down.
extern "C" void end_looking_at_exit() {
    if (state_in_force != nullptr) state().live.policy.end_looking();
}

// The parent read the files when it started, perhaps days ago: a child that begins now looks before it serves. Where
// another one is building and does not finish, it serves all the same, and refuses what is behind gates until then.
extern "C" void on_child_init(apr_pool_t* pchild, server_rec* s) {
    guarded(s, DECLINED, [&] {
        apr_pool_cleanup_register(
            pchild, state().ledger,
            [](void* ledger) noexcept -> apr_status_t {
                static_cast<Ledger*>(ledger)->children.leave(static_cast<std::int32_t>(getpid()));
                return APR_SUCCESS;
            },
            apr_pool_cleanup_null);
        std::atexit(end_looking_at_exit);
        const bool looks = state().refresh_seconds > 0;
        report(s, state().live.policy.join_siblings(looks));
        tell_siblings();
        if (!looks) return OK;
        look_and_log(s);
        constexpr int kMostWaits = 20;
        for (int i = 0; i < kMostWaits && state().live.policy.is_new(); ++i) {
            apr_sleep(apr_time_from_msec(100));
            look_and_log(s);
        }
        tell_siblings();
        return OK;
    });
}

}  // namespace

void register_live_hooks() {
    static const char* const kBeforeWatchdog[] = {"mod_watchdog.c", nullptr};
    ap_hook_post_config(on_post_config_watchdog, nullptr, kBeforeWatchdog, APR_HOOK_FIRST);
    ap_hook_post_config(on_post_config_last, nullptr, nullptr, APR_HOOK_REALLY_LAST);
    ap_hook_child_init(on_child_init, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
