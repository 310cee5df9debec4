#include "mtls_authz/httpd/keeper/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <string>
#include <thread>
#include <utility>

#include "mtls_authz/httpd/config/config.hpp"
#include "mtls_authz/httpd/config/log.hpp"
#include "mtls_authz/httpd/keeper/events.hpp"
#include "mtls_authz/httpd/keeper/live.hpp"
#include "mtls_authz/httpd/keeper/live_socket.hpp"
#include "mtls_authz/httpd/keeper/policy_checks.hpp"
#include "mtls_authz/keeper/look_pace.hpp"
#include "mtls_authz/system/process_traits.hpp"
#include "mtls_authz/tell/refusal_report.hpp"

extern "C" {
#include <ap_listen.h>
#include <ap_mpm.h>
#include <mpm_common.h>
}

namespace mtls::httpd {

namespace {

using std::chrono::milliseconds;

// Less only in the build for ThreadSanitizer, so that a test sees thousands of reloads.
#ifndef MTLS_AUTHZ_PAUSE
#define MTLS_AUTHZ_PAUSE 500
#endif
constexpr milliseconds kPause{MTLS_AUTHZ_PAUSE};  // before the second look after a difference

// ---- what it says ---------------------------------------------------------------------------------------------------

void count_reload(bool ok) {
    Ledger& ledger = *state().ledger;
    ++(ok ? ledger.reloads_ok : ledger.reloads_failed);
}

std::string consequence_of_refusal(const SnapshotReader& snapshot) {
    return snapshot ? "generation " + std::string(snapshot->policy->generation()) + " stays in force since " +
                          format_time(state().live.policy.in_force_since())
                    : kAllClosed;
}

void report_policy(const server_rec* s, const LookOutcome& outcome, EventDesk& desk) {
    Ledger& ledger = *state().ledger;
    const auto snapshot = state().live.policy.current();
    const std::string consequence = consequence_of_refusal(snapshot);
    desk.note_policy(outcome, consequence);
    if (!outcome.refused.empty()) {
        count_reload(false);
        ledger.refused_since = apr_time_sec(apr_time_now());
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "mtls_authz: the policy files are refused: %s", consequence.c_str());
    }
    if (outcome.policy_clean && ledger.refused_since.exchange(0) != 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: the policy files are no longer refused");
    }
    if (!outcome.moved || !snapshot) return;
    const Policy& policy = *snapshot->policy;
    const std::string generation(policy.generation());
    if (outcome.before != nullptr && outcome.before->generation() == generation) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s, "mtls_authz: generation %s is read anew: nothing in it changed",
                     generation.c_str());
        return;
    }
    count_reload(true);
    const std::string change = outcome.before != nullptr ? describe_change(*outcome.before, policy) : "read at last";
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: generation %s replaces %s: %s", generation.c_str(),
                 outcome.before != nullptr ? std::string(outcome.before->generation()).c_str() : "none",
                 change.c_str());
    std::vector<Diagnostic> warnings;
    check_gate_names(policy, warnings);
    check_fronts(policy, warnings);
    for (Diagnostic& d : warnings) d.severity = Diagnostic::Severity::kWarning;
    check_purposes(policy, warnings);
    log_findings(s, warnings);
}

void report_files(const server_rec* s, const LookOutcome& outcome) {
    if (!outcome.moved_refusals && !outcome.moved_crls) return;
    const auto snapshot = state().live.policy.current();
    if (!snapshot) return;
    std::string text = "in force by files: " + std::to_string(snapshot->refusals->revocations.all().size()) +
                       " revocation(s), " + std::to_string(snapshot->refusals->suspended.size()) + " suspension(s), " +
                       std::to_string(snapshot->crls->size()) + " CRL(s)";
    if (!outcome.refusing.empty()) {
        text += "; " + describe_refusals(outcome.refusing, *snapshot->policy, state().ledger->sightings,
                                         apr_time_sec(apr_time_now()));
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: %s", text.c_str());
}

// ---- what it does ---------------------------------------------------------------------------------------------------

// Counts the policies that came into force: each may name other CRLs, and CAs that sign them.
std::atomic<unsigned> policies{0};

void look_and_report(const server_rec* s, Watched what, EventDesk& desk) {
    LivePolicy& policy = state().live.policy;
    LookOutcome outcome;
    switch (what) {
        case Watched::kRefusals:
            policy.look_at_refusals(outcome);
            desk.note_refusals(outcome);
            break;
        case Watched::kCrls:
            policy.look_at_crls(outcome);
            break;
        case Watched::kPolicy:
            policy.look_at_policy(outcome);
            if (outcome.moved) ++policies;
            break;
    }
    log_findings(s, outcome.findings);
    if (what == Watched::kPolicy) report_policy(s, outcome, desk);
    report_files(s, outcome);
}

// Once, though each thread finds it.
void warn_of_watch(const server_rec* s, const std::string& fault) {
    static std::atomic<bool> is_told{false};
    if (fault.empty() || is_told.exchange(true)) return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                 "mtls_authz: the kernel tells of no change of files: %s; all of them are looked at every %d second(s)",
                 fault.c_str(), state().refresh_seconds);
}

[[noreturn]] void keep_looking(const server_rec* s, Watched what, EventDesk& desk) {
    auto& sign = state().live.board->signs_of_life[static_cast<std::size_t>(what)];
    LivePolicy& policy = state().live.policy;
    const milliseconds interval = std::chrono::seconds(state().refresh_seconds);
    LookPace pace(MTLS_AUTHZ_PAUSE < 500 ? kPause : interval, kPause);
    for (;;) {
        sign = monotonic_seconds();
        const unsigned seen = policies;
        pace.begin_look();
        // A look that fails changes nothing: what was in force stays so.
        guarded(s, OK, [&] {
            look_and_report(s, what, desk);
            return OK;
        });
        guarded(s, OK, [&] {
            pace.end_look(policy.names_of(what), policy.is_waiting(what));
            warn_of_watch(s, pace.take_fault());
            return OK;
        });
        // However long the interval, it shows that it lives.
        do sign = monotonic_seconds();
        while (!pace.wait() && (what != Watched::kCrls || seen == policies));
    }
}

// A child that has no thread to follow keeps an old policy until its next request. One that has none for a minute is
// asked to end, as by a graceful restart.
void end_late_children() {
    constexpr std::int64_t kLongest = 60;
    const Live& live = state().live;
    if (live.has_follower || monotonic_seconds() - live.policy.unchanged_since() < kLongest) return;
    const std::uint64_t changes = live.board->changes;
    for (const ChildInfo& child : state().ledger->children.alive()) {
        // A number that another process has by now is of another group.
        if (child.changes != changes && getpgid(child.pid) == getpgrp()) kill(child.pid, AP_SIG_GRACEFUL);
    }
}

void keep_handing_out(const server_rec* s) {
    static bool is_told = false;
    if (state().live.policy.keep_handing_out() || std::exchange(is_told, true)) return;
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "mtls_authz: what is in force cannot be handed out to the children (a child that was taken over, or a "
                 "limit of open files): restart the server");
}

// Answers processes that begin, until the parent is gone. Where this process was stopped for a while, or another one
// was here before it, it looks at the files first.
[[noreturn]] void answer(const server_rec* s, pid_t parent, bool is_first) {
    Live& live = state().live;
    using Clock = std::chrono::steady_clock;
    constexpr milliseconds kLongestTurn{2000};
    constexpr milliseconds kTwoLooks = 2 * milliseconds(MTLS_AUTHZ_PAUSE) + milliseconds(200);
    Clock::time_point last_turn = Clock::now();
    Clock::time_point answers_from = is_first ? last_turn : last_turn + kTwoLooks;
    for (;;) {
        pollfd asks{live.wakes_keeper[0], POLLIN, 0};
        poll(&asks, 1, Clock::now() < answers_from ? 50 : 500);
        if (getppid() != parent) _exit(0);
        const Clock::time_point now = Clock::now();
        if (now - last_turn > kLongestTurn) answers_from = now + kTwoLooks;
        last_turn = now;
        char bytes[256];
        if (asks.revents != 0 && read(live.wakes_keeper[0], bytes, sizeof bytes) == 0) _exit(0);
        if (now >= answers_from) live.board->answered = live.board->asked.load();
        if (state().refresh_seconds == 0) {
            for (auto& sign : live.board->signs_of_life) sign = monotonic_seconds();
        }
        guarded(s, OK, [&] {
            log_left_out(s);
            keep_handing_out(s);
            end_late_children();
            return OK;
        });
    }
}

// Ends with the parent, however that ends, and at once when it is told to: nothing of it is lost but a look.
void live_and_die_as_a_child(pid_t parent) {
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) std::signal(number, SIG_DFL);
    for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE}) std::signal(number, SIG_IGN);
    // After the privileges were dropped, which would clear the first two.
    end_with_parent();
    forbid_tracing();
    name_process("mtls-keeper");
    if (getppid() != parent) _exit(0);
}

[[noreturn]] void be_keeper(apr_pool_t* pool, server_rec* s, pid_t parent, bool is_first) {
    // Or a restart could not bind them.
    ap_close_listeners();
    if (ap_run_drop_privileges(pool, s) != OK) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "mtls_authz: the keeper cannot become the run-time user");
        _exit(1);
    }
    live_and_die_as_a_child(parent);
    EventDesk desk;  // lives as long as the process: only _exit() ends its threads
    const int status = guarded(s, 1, [&] {
        state().live.policy.take_over();
        for (auto& sign : state().live.board->signs_of_life) sign = monotonic_seconds();
        if (state().refresh_seconds > 0) {
            for (const Watched what : {Watched::kRefusals, Watched::kCrls, Watched::kPolicy}) {
                std::thread([s, what, &desk] { keep_looking(s, what, desk); }).detach();
            }
        }
        serve_live(s);
        // Without it nothing is told, and all else goes on.
        guarded(s, OK, [&] {
            std::thread([s, &desk] { tell_events(s, desk); }).detach();
            return OK;
        });
        answer(s, parent, is_first);
        return 0;
    });
    _exit(status);
}

bool is_stopping() {
    int mpm_state = AP_MPMQ_STARTING;
    return ap_mpm_query(AP_MPMQ_MPM_STATE, &mpm_state) == APR_SUCCESS && mpm_state == AP_MPMQ_STOPPING;
}

int fork_keeper(apr_pool_t* pool, server_rec* s, bool is_first);

extern "C" void on_keeper_event(int reason, void* data, int status) {
    auto* const s = static_cast<server_rec*>(data);
    Live& live = state().live;
    switch (reason) {
        case APR_OC_REASON_DEATH:
        case APR_OC_REASON_LOST:
            apr_proc_other_child_unregister(data);
            live.board->keeper = 0;
            if (is_stopping()) return;
            ap_log_error(
                APLOG_MARK, APLOG_ERR, 0, s,
                "mtls_authz: the keeper has ended (status or signal %d): what is in force stays so, and another "
                "one starts",
                status);
            fork_keeper(s->process->pconf, s, false);
            return;
        case APR_OC_REASON_RESTART:
            apr_proc_other_child_unregister(data);
            return;
        default:
            return;
    }
}

int fork_keeper(apr_pool_t* pool, server_rec* s, bool is_first) {
    auto* const process = static_cast<apr_proc_t*>(apr_pcalloc(pool, sizeof(apr_proc_t)));
    const pid_t parent = getpid();
    for (auto& sign : state().live.board->signs_of_life) sign = monotonic_seconds();
    const apr_status_t status = apr_proc_fork(process, pool);
    if (status == APR_INCHILD) be_keeper(pool, s, parent, is_first);
    if (status != APR_INPARENT) {
        ap_log_error(
            APLOG_MARK, APLOG_ERR, status, s,
            "mtls_authz: the keeper cannot be started: what is in force stays so, and new processes refuse what "
            "is behind gates");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    state().live.keeper = process;
    state().live.board->keeper = process->pid;
    apr_pool_note_subprocess(pool, process, APR_KILL_ALWAYS);
    apr_proc_other_child_register(process, on_keeper_event, s, nullptr, pool);
    return OK;
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

int start_keeper(apr_pool_t* pconf, server_rec* s) {
    Live& live = state().live;
    if (pipe(live.wakes_keeper) != 0) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s, "mtls_authz: no pipe to the keeper");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (const int fd : live.wakes_keeper) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        set_nonblocking(fd);
    }
    apr_pool_cleanup_register(
        pconf, live.wakes_keeper,
        [](void* pipe) noexcept -> apr_status_t {
            for (int i = 0; i < 2; ++i) close(static_cast<int*>(pipe)[i]);
            return APR_SUCCESS;
        },
        apr_pool_cleanup_null);
    return fork_keeper(pconf, s, true);
}

void wake_keeper() noexcept {
    // Where it is full, the keeper has enough to wake up for.
    [[maybe_unused]] const ssize_t written = write(state().live.wakes_keeper[1], "?", 1);
}

namespace {

// Whether it has used a second of a processor since this was asked last: a thread that builds for long gives no sign of
// life meanwhile.
bool is_busy(pid_t keeper) {
    static std::int64_t last = 0;
    clockid_t clock{};
    timespec used{};
    if (clock_getcpuclockid(keeper, &clock) != 0 || clock_gettime(clock, &used) != 0) return false;
    return used.tv_sec > std::exchange(last, used.tv_sec);
}

}  // namespace

extern "C" int watch_keeper(apr_pool_t*, server_rec* s) {
    if (state_in_force == nullptr || state().live.keeper == nullptr) return DECLINED;
    KeeperBoard& board = *state().live.board;
    if (board.keeper != 0 && is_busy(board.keeper)) {
        for (auto& sign : board.signs_of_life) sign = monotonic_seconds();
    }
    if (board.keeper == 0 || board.is_kept()) return DECLINED;
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "mtls_authz: the keeper has given no sign of life for %d seconds (a file system that hangs?): it is "
                 "ended, and another one starts",
                 static_cast<int>(board.silence()));
    apr_proc_kill(state().live.keeper, SIGKILL);
    return DECLINED;
}

}  // namespace mtls::httpd
