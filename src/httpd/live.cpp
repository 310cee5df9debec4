#include "live.hpp"

#include "config.hpp"

extern "C" {
#include <mod_watchdog.h>
}

namespace mtls::httpd {

std::shared_ptr<const Policy> Live::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    const std::lock_guard lock(looking_);
    policy_ = source_.build(findings);
    if (!policy_) return nullptr;
    learn_cas();
    revocation_files_.look(reported);
    crl_files_.look(known_cas_, reported);
    publish();
    return policy_;
}

void Live::look(std::vector<Diagnostic>& findings) {
    const std::lock_guard lock(looking_);
    // Refusals first: nothing that is wrong with the rest may hold them up.
    const bool refusals = revocation_files_.look(findings);
    if (refusals) publish();
    const bool crls = crl_files_.look(known_cas_, findings);
    if (crls) publish();
    if (auto policy = source_.look(findings)) {
        policy_ = std::move(policy);
        learn_cas();
        publish();
    }
}

bool Live::is_waiting() {
    const std::lock_guard lock(looking_);
    return source_.is_waiting() || revocation_files_.is_waiting();
}

void Live::learn_cas() {
    known_cas_ = server_cas_;
    policy_->add_cas_to(known_cas_);
    crl_files_.crls()->learn(known_cas_);
}

void Live::add_known_ca(X509& ca) {
    const std::lock_guard lock(looking_);
    server_cas_.emplace(read_name(*X509_get_subject_name(&ca)).canonical, &ca);
    if (policy_) learn_cas();
}

void Live::publish() {
    auto next = std::make_shared<Snapshot>();
    next->policy = policy_;
    next->refusals = revocation_files_.refusals();
    next->crls = crl_files_.crls();
    next->serial = ++last_serial_;
    current_.store(std::move(next));
}

namespace {

constexpr apr_interval_time_t kTick = apr_time_from_msec(500);

void look_and_log(const server_rec* s) {
    std::vector<Diagnostic> findings;
    const auto before = state().live.current();
    state().live.look(findings);
    for (const Diagnostic& d : findings) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "mtls_authz: %s", d.str().c_str());
    }
    const auto after = state().live.current();
    if (!findings.empty()) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: generation %s stays in force",
                     after->policy->generation().c_str());
    }
    if (before == after) return;
    if (before->policy != after->policy) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: generation %s replaces %s",
                     after->policy->generation().c_str(), before->policy->generation().c_str());
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 "mtls_authz: in force by files: %" APR_SIZE_T_FMT " revocation(s), %" APR_SIZE_T_FMT
                 " suspension(s), %" APR_SIZE_T_FMT " CRL(s)",
                 after->refusals->revocations.all().size(), after->refusals->suspended.size(), after->crls->size());
}

apr_status_t on_watchdog(int watchdog_state, void* data, apr_pool_t*) {
    const auto* const s = static_cast<const server_rec*>(data);
    if (watchdog_state != AP_WATCHDOG_STATE_RUNNING) return APR_SUCCESS;
    // A look that fails changes nothing: what was in force stays so.
    return guarded(s, APR_SUCCESS, [&] {
        // After a difference the second look comes at the next tick, whatever the interval.
        static std::atomic<apr_time_t> last_look{0};
        const apr_time_t now = apr_time_now();
        const bool due = now - last_look >= apr_time_from_sec(state().refresh_seconds) - kTick / 2 || now < last_look;
        if (!due && !state().live.is_waiting()) return APR_SUCCESS;
        last_look = now;
        look_and_log(s);
        return APR_SUCCESS;
    });
}

int start_watchdog(apr_pool_t* pconf, server_rec* s) {
    if (state().refresh_seconds == 0) return OK;
    const auto get_instance = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    const auto register_callback = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    if (get_instance == nullptr || register_callback == nullptr) {
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
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] { return start_watchdog(pconf, s); });
}

// The parent read the files when it started, perhaps days ago: a child that begins now looks before it serves.
extern "C" void on_child_init(apr_pool_t*, server_rec* s) {
    if (state().refresh_seconds == 0) return;
    guarded(s, DECLINED, [&] {
        look_and_log(s);
        if (state().live.is_waiting()) {
            apr_sleep(apr_time_from_msec(100));
            look_and_log(s);
        }
        return OK;
    });
}

}  // namespace

void register_live_hooks() {
    static const char* const kBeforeWatchdog[] = {"mod_watchdog.c", nullptr};
    ap_hook_post_config(on_post_config_watchdog, nullptr, kBeforeWatchdog, APR_HOOK_FIRST);
    ap_hook_child_init(on_child_init, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
