#include "httpd/keeper/live.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "httpd/config/config.hpp"
#include "httpd/config/log.hpp"
#include "httpd/keeper/database.hpp"
#include "httpd/keeper/keeper.hpp"
#include "httpd/keeper/live_socket.hpp"
#include "httpd/keeper/seen.hpp"

extern "C" {
#include <ap_mpm.h>
#include <mod_watchdog.h>
#include <mpm_common.h>
}

namespace mtls::httpd {

namespace {

constexpr apr_interval_time_t kTick = apr_time_from_msec(100);

// Larger only in the ThreadSanitizer build, so that a test sees thousands of reloads.
#ifndef MTLS_AUTHZ_TURNS_PER_TICK
#define MTLS_AUTHZ_TURNS_PER_TICK 1
#endif

// Kept in the process pool, so that counters survive restarts.
template <class T>
T* adopt_or_create(const server_rec* s, const char* key) {
    apr_pool_t* const pool = s->process->pool;
    void* existing = nullptr;
    apr_pool_userdata_get(&existing, key, pool);
    T* out = T::adopt(existing);
    if (out != nullptr) return out;
    out = T::create();
    // Not setn: the key would be in this shared object, which a restart unloads.
    if (out != nullptr) apr_pool_userdata_set(out, key, nullptr, pool);
    return out;
}

int open_ledger(server_rec* s) {
    state().ledger = adopt_or_create<Ledger>(s, "mtls_authz-ledger");
    if (state().ledger != nullptr) return OK;
    ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s, "mtls_authz: no memory to count decisions in");
    return HTTP_INTERNAL_SERVER_ERROR;
}

// Publishes this process's state for the status page.
void report_state() {
    const auto snapshot = state().live.policy.current();
    ChildInfo info;
    info.pid = static_cast<std::int32_t>(getpid());
    if (snapshot) info.generation = snapshot->policy->generation();
    info.in_force_since = state().live.policy.in_force_since();
    info.looked = apr_time_sec(apr_time_now());
    info.changes = state().live.policy.seen_changes();
    state().ledger->children.report(info);
}

void follow(const server_rec* s) {
    LivePolicy& policy = state().live.policy;
    if (!policy.is_behind()) return;
    log_findings(s, policy.follow());
    report_state();
}

// Not inlined: called only after a change.
[[gnu::cold, gnu::noinline]] void follow_now() noexcept {
    attempt(state().live.server, [] { follow(state().live.server); });
}

apr_status_t on_watchdog(int watchdog_state, void* data, apr_pool_t*) {
    const auto* const s = static_cast<const server_rec*>(data);
    if (watchdog_state != AP_WATCHDOG_STATE_RUNNING) return APR_SUCCESS;
    return guarded(s, APR_SUCCESS, [&] {
        static std::atomic<apr_time_t> last_report{0};
        const apr_time_t now = apr_time_now();
        if (now - last_report >= apr_time_from_sec(1) || now < last_report) {
            last_report = now;
            report_state();
        }
        follow(s);
        for (int i = 1; i < MTLS_AUTHZ_TURNS_PER_TICK; ++i) {
            apr_sleep(apr_time_from_msec(1));
            follow(s);
        }
        return APR_SUCCESS;
    });
}

// A thread in each child follows, but only if the children are threaded anyway: a second thread would make glibc lock.
void start_watchdog(apr_pool_t* pconf, server_rec* s) {
    int is_threaded = AP_MPMQ_NOT_SUPPORTED;
    ap_mpm_query(AP_MPMQ_IS_THREADED, &is_threaded);
    const auto get_instance = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    const auto register_callback = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    constexpr int kInEveryChild = 0;
    ap_watchdog_t* watchdog = nullptr;
    state().live.has_follower = is_threaded != AP_MPMQ_NOT_SUPPORTED && get_instance != nullptr &&
                                register_callback != nullptr &&
                                get_instance(&watchdog, "_mtls_authz_", kInEveryChild, 0, pconf) == APR_SUCCESS &&
                                register_callback(watchdog, kTick, s, on_watchdog) == APR_SUCCESS;
}

extern "C" int on_post_config_watchdog(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*, server_rec* s) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] {
        const int opened = open_ledger(s);
        if (opened != OK) return opened;
        state().ledger->refused_since = 0;
        state().ledger->file_troubles.clear();
        start_watchdog(pconf, s);
        return OK;
    });
}

// The parent does not poll from here on; its memory for the policy is freed once all children have moved on.
extern "C" int on_post_config_last(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*, server_rec* s) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] {
        state().policy.reset();
        state().live.policy.release();
        state().live.server = s;
        state().live.follow_now = follow_now;
        open_live_socket(pconf, s);
        open_seen_folder(pconf, s);
        return start_keeper(pconf, s);
    });
}

// httpd's children exit while the watchdog thread runs: it must not use OpenSSL during OpenSSL's cleanup.
extern "C" void stop_following_at_exit() {
    if (state_in_force != nullptr) state().live.policy.stop_following();
}

// The parent read the files at start, perhaps days ago: a new child asks the keeper before it serves. Without an answer
// it serves, but its gates deny until there is one.
extern "C" void on_child_init(apr_pool_t* pchild, server_rec* s) {
    leave_live_socket();
    forget_database();
    attempt(s, [&] {
        apr_pool_cleanup_register(
            pchild, state().ledger,
            [](void* ledger) noexcept -> apr_status_t {
                static_cast<Ledger*>(ledger)->children.remove(static_cast<std::int32_t>(getpid()));
                return APR_SUCCESS;
            },
            apr_pool_cleanup_null);
        std::atexit(stop_following_at_exit);
        Live& live = state().live;
        log_findings(s, live.policy.join(true));
        wake_keeper();
        constexpr apr_interval_time_t kLongest = apr_time_from_sec(2);
        constexpr apr_interval_time_t kNap = apr_time_from_msec(2);
        for (apr_interval_time_t slept = 0; slept < kLongest && live.policy.is_new(); slept += kNap) {
            log_findings(s, live.policy.follow());
            if (live.policy.is_new()) apr_sleep(kNap);
        }
        if (live.policy.is_new()) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         "mtls_authz: the keeper does not answer: this process refuses what is behind gates "
                         "(policy-unavailable) until it does");
        }
        report_state();
    });
}

}  // namespace

bool open_board(server_rec* s) {
    state().live.board = adopt_or_create<KeeperBoard>(s, "mtls_authz-board");
    return state().live.board != nullptr;
}

void log_findings(const server_rec* s, const std::vector<Diagnostic>& findings) {
    for (const Diagnostic& d : first_of_each_file(findings)) {
        const int level = d.is_error() ? APLOG_ERR : APLOG_WARNING;
        ap_log_error(APLOG_MARK, level, 0, s, "mtls_authz: %s", d.str().c_str());
    }
}

void register_live_hooks() {
    static const char* const kBeforeWatchdog[] = {"mod_watchdog.c", nullptr};
    ap_hook_post_config(on_post_config_watchdog, nullptr, kBeforeWatchdog, APR_HOOK_FIRST);
    ap_hook_post_config(on_post_config_last, nullptr, nullptr, APR_HOOK_REALLY_LAST);
    ap_hook_child_init(on_child_init, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_monitor(watch_keeper, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_monitor(watch_live_socket, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
