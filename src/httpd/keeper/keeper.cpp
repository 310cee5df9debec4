#include "httpd/keeper/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <map>
#include <string>
#include <utility>

#include "httpd/config/config.hpp"
#include "httpd/config/log.hpp"
#include "httpd/decide/policy_checks.hpp"
#include "httpd/keeper/database.hpp"
#include "httpd/keeper/events.hpp"
#include "httpd/keeper/live.hpp"
#include "httpd/keeper/live_socket.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/keeper/poll_timer.hpp"
#include "mtls_authz/system/process_traits.hpp"
#include "mtls_authz/system/this_thread.hpp"
#include "mtls_authz/tell/refusal_report.hpp"

extern "C" {
#include <ap_listen.h>
#include <ap_mpm.h>
#include <mpm_common.h>
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

using std::chrono::milliseconds;

// Smaller only in the ThreadSanitizer build, so that a test sees thousands of reloads.
#ifdef MTLS_AUTHZ_PAUSE
constexpr milliseconds kPause{MTLS_AUTHZ_PAUSE};
#else
constexpr milliseconds kPause = PollTimer::kPause;
#endif

// ---- reports --------------------------------------------------------------------------------------------------------

void count_reload(bool ok) {
    Ledger& ledger = *state().ledger;
    ++(ok ? ledger.reloads_ok : ledger.reloads_failed);
}

std::string consequence_of_refusal(const SnapshotReader& snapshot) {
    return snapshot ? "generation " + std::string(snapshot->policy->generation()) + " stays in force since " +
                          format_time(state().live.policy.in_force_since())
                    : kAllClosed;
}

void report_policy(const server_rec* s, const PollResult& outcome, FileFaults& faults) {
    Ledger& ledger = *state().ledger;
    const auto snapshot = state().live.policy.current();
    const std::string consequence = consequence_of_refusal(snapshot);
    faults.note_policy(outcome, consequence);
    if (!outcome.refused.empty()) {
        count_reload(false);
        ledger.refused_since = apr_time_sec(apr_time_now());
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "mtls_authz: the policy files are refused: %s", consequence.c_str());
    }
    if (outcome.policy_clean && ledger.refused_since.exchange(0) != 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: the policy files are no longer refused");
    }
    if (!outcome.policy_changed || !snapshot) return;
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
    check_anchors(s, policy, warnings);
    log_findings(s, warnings);
}

void report_files(const server_rec* s, const PollResult& outcome) {
    if (!outcome.refusals_changed && !outcome.crls_changed) return;
    const auto snapshot = state().live.policy.current();
    if (!snapshot) return;
    std::string text = "in force by files: " + std::to_string(snapshot->refusals->revocations.all().size()) +
                       " revocation(s), " + std::to_string(snapshot->refusals->suspended.size()) + " suspension(s), " +
                       std::to_string(snapshot->crls->size()) + " CRL(s)";
    if (!outcome.ended_refusals.empty()) text += "; no longer: " + list_refusals(outcome.ended_refusals);
    if (!outcome.added_refusals.empty()) {
        text += "; " + describe_refusals(outcome.added_refusals, *snapshot->policy, state().ledger->sightings,
                                         apr_time_sec(apr_time_now()));
    }
    if (outcome.crls_changed) {
        const std::string listed = describe_listed(*snapshot->crls, *snapshot->policy, state().ledger->sightings,
                                                   apr_time_sec(apr_time_now()));
        if (!listed.empty()) text += "; " + listed;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "mtls_authz: %s", text.c_str());
}

// ---- threads and main loop ------------------------------------------------------------------------------------------

// Number of policies that came into force: each may name other CRLs, and other CAs that sign them.
std::atomic<unsigned> policies{0};

void poll_and_report(const server_rec* s, Watched what, FileFaults& faults) {
    LivePolicy& policy = state().live.policy;
    PollResult outcome;
    switch (what) {
        case Watched::kRefusals:
            policy.poll_refusals(outcome);
            faults.note_refusals(outcome);
            break;
        case Watched::kCrls:
            policy.poll_crls(outcome);
            faults.note_crls(outcome);
            break;
        case Watched::kPolicy:
            policy.poll_policy(outcome);
            if (outcome.policy_changed) ++policies;
            break;
    }
    log_findings(s, outcome.findings);
    if (what == Watched::kPolicy) report_policy(s, outcome, faults);
    report_files(s, outcome);
}

// Another keeper has begun while this one was stopped, over a restart: it must neither publish nor report.
void end_if_superseded() {
    if (state().live.policy.is_superseded()) _exit(0);
}

// Warns once, though each polling thread finds the fault.
void warn_of_watch_fault(const server_rec* s, const std::string& fault) {
    static std::atomic<bool> is_reported{false};
    if (fault.empty() || is_reported.exchange(true)) return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                 "mtls_authz: inotify does not watch all files: %s; they are polled every %d second(s)", fault.c_str(),
                 state().refresh_seconds);
}

[[noreturn]] void poll_forever(const server_rec* s, Watched what, FileFaults& faults) {
    auto& heartbeat = state().live.board->heartbeats[static_cast<std::size_t>(what)];
    LivePolicy& policy = state().live.policy;
    const milliseconds interval = std::chrono::seconds(state().refresh_seconds);
    // New rows of a database are polled soon.
    const milliseconds longest = state().database != nullptr ? milliseconds(100) : milliseconds(1000);
    PollTimer timer(kPause < PollTimer::kPause ? kPause : interval, kPause);
    for (;;) {
        end_if_superseded();
        heartbeat = monotonic_seconds();
        const unsigned seen = policies;
        const std::uint64_t rows = policy.database_changes(what);
        timer.begin_poll();
        // A failed poll changes nothing: the current images stay.
        attempt(s, [&] { poll_and_report(s, what, faults); });
        attempt(s, [&] {
            timer.end_poll(policy.names_of(what), policy.is_waiting(what));
            warn_of_watch_fault(s, timer.take_fault());
        });
        // Send heartbeats during the wait, however long the interval is.
        do heartbeat = monotonic_seconds();
        while (!timer.wait(longest) && (what != Watched::kCrls || seen == policies) &&
               rows == policy.database_changes(what));
    }
}

// Without a follower thread, a child keeps an old policy until its next request. Asks children that are late by 60 s to
// end, as a graceful restart would; once, since a signal lets the timeout of a request begin anew. `asked`: the change
// for which each of them was asked.
void end_late_children(pid_t parent, std::map<pid_t, std::uint64_t>& asked) {
    constexpr std::int64_t kLongest = 60;
    const Live& live = state().live;
    if (live.has_follower || monotonic_seconds() - live.policy.unchanged_since() < kLongest) return;
    const std::uint64_t changes = live.board->changes;
    std::map<pid_t, std::uint64_t> late;
    for (const ChildInfo& child : state().ledger->children.alive()) {
        // The process id may have been reused: check its process group. With httpd -X, the child is the parent.
        if (child.changes == changes || child.pid == parent || getpgid(child.pid) != getpgrp()) continue;
        if (asked[child.pid] != changes) kill(child.pid, AP_SIG_GRACEFUL);
        late[child.pid] = changes;
    }
    asked = std::move(late);
}

// Puts the images in force where children take them, if they are not there. False if that failed, which is logged once.
bool ensure_published(const server_rec* s) {
    Live& live = state().live;
    const bool is_published = live.policy.ensure_published();
    const bool was_unpublished = live.board->is_unpublished.exchange(!is_published);
    if (is_published || was_unpublished) return is_published;
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "mtls_authz: what is in force cannot be handed out to the children: they keep what they have, and new "
                 "ones refuse what is behind gates, until it can (a limit of open files, or many of them in sockets of "
                 "the run-time user's processes: raise ulimit -n, end those; or a child that was taken over: restart "
                 "the server)");
    return false;
}

// Answers new children until the parent is gone. After this process was stopped for a while, or after another keeper,
// it first waits for two polls, so that the answer is current.
[[noreturn]] void answer(const server_rec* s, pid_t parent, bool is_first) {
    Live& live = state().live;
    using Clock = std::chrono::steady_clock;
    constexpr milliseconds kLongestPass{2000};
    constexpr milliseconds kTwoPolls = 2 * kPause + milliseconds(200);
    Clock::time_point last_pass = Clock::now();
    Clock::time_point answers_from = is_first ? last_pass : last_pass + kTwoPolls;
    std::map<pid_t, std::uint64_t> late_children;
    for (;;) {
        pollfd asks{live.wakes_keeper[0], POLLIN, 0};
        poll(&asks, 1, Clock::now() < answers_from ? 50 : 500);
        if (getppid() != parent) _exit(0);
        end_if_superseded();
        const Clock::time_point now = Clock::now();
        if (now - last_pass > kLongestPass) answers_from = now + kTwoPolls;
        last_pass = now;
        char bytes[256];
        if (asks.revents != 0 && read(live.wakes_keeper[0], bytes, sizeof bytes) == 0) _exit(0);
        if (state().refresh_seconds == 0) {
            for (auto& heartbeat : live.board->heartbeats) heartbeat = monotonic_seconds();
        }
        attempt(s, [&] {
            const std::uint64_t asked = live.board->asked;
            if (ensure_published(s) && now >= answers_from) live.board->answered = asked;
            log_left_out(s);
            end_late_children(parent, late_children);
        });
    }
}

// Ends with the parent, however that ends, and at once on a signal: only an unfinished poll is lost.
void bind_to_parent(pid_t parent) {
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) std::signal(number, SIG_DFL);
    // SIGXFSZ: at a limit of file size, a line of the log is lost.
    for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);
    // Called after dropping privileges, which would reset the first two.
    end_with_parent();
    forbid_tracing();
    name_process("mtls-keeper");
    if (getppid() != parent) _exit(0);
}

// Waits for the descriptors and the memory that this takes.
void take_over(const server_rec* s, pid_t parent) {
    Live& live = state().live;
    for (bool is_first = true; !live.policy.take_over(); is_first = false) {
        live.board->is_unpublished = true;
        if (is_first) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         "mtls_authz: the keeper has no descriptors or no memory for what is in force (ulimit -n, -v): "
                         "children keep what they have, and new ones refuse what is behind gates, until it has");
        }
        poll(nullptr, 0, 500);
        if (getppid() != parent) _exit(0);
        end_if_superseded();
        for (auto& heartbeat : live.board->heartbeats) heartbeat = monotonic_seconds();
    }
}

[[noreturn]] void run_keeper(apr_pool_t* pool, server_rec* s, pid_t parent, bool is_first) {
    // Else a restart could not bind these ports.
    ap_close_listeners();
    const HomeOfUser home;
    // Below it are only those who answer requests: this process looks at the files that the start has read.
    ap_unixd_config.chroot_dir = nullptr;
    if (ap_run_drop_privileges(pool, s) != OK) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "mtls_authz: the keeper cannot become the run-time user");
        _exit(1);
    }
    bind_to_parent(parent);
    be_ready_to_throw();
    FileFaults faults;  // never destroyed: only _exit() ends the threads that use it
    const int status = guarded(s, 1, [&] {
        take_over(s, parent);
        for (auto& heartbeat : state().live.board->heartbeats) heartbeat = monotonic_seconds();
        if (state().refresh_seconds > 0) {
            for (const Watched what : {Watched::kRefusals, Watched::kCrls, Watched::kPolicy}) {
                start_thread([s, what, &faults] { poll_forever(s, what, faults); });
            }
        }
        start_reading_database(s, faults);
        serve_live(s);
        // Without this thread events are not reported; the keeper goes on.
        attempt(s, [&] { start_thread([s, &faults] { report_events(s, faults); }); });
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

// Ends a keeper, when the parent's pool of the configuration is cleared. Not apr_pool_note_subprocess(): it leaves
// alone a process that is stopped, and waits without an end for one that hangs in the kernel. That one ends as soon as
// it goes on, before it publishes.
apr_status_t end_keeper(void* data) noexcept {
    constexpr int kTries = 1000;
    constexpr timespec kSoon = {0, 1'000'000};
    const pid_t keeper = static_cast<const apr_proc_t*>(data)->pid;
    if (kill(keeper, SIGKILL) != 0) return APR_SUCCESS;
    for (int i = 0; i < kTries && waitpid(keeper, nullptr, WNOHANG) == 0; ++i) nanosleep(&kSoon, nullptr);
    return APR_SUCCESS;
}

extern "C" void on_keeper_event(int reason, void* data, int status) {
    auto* const s = static_cast<server_rec*>(data);
    Live& live = state().live;
    switch (reason) {
        case APR_OC_REASON_DEATH:
        case APR_OC_REASON_LOST:
            apr_proc_other_child_unregister(data);
            apr_pool_cleanup_kill(s->process->pconf, live.keeper, end_keeper);
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
    Live& live = state().live;
    auto* const process = static_cast<apr_proc_t*>(apr_pcalloc(pool, sizeof(apr_proc_t)));
    const pid_t parent = getpid();
    live.policy.begin_to_publish();
    for (auto& heartbeat : live.board->heartbeats) heartbeat = monotonic_seconds();
    live.board->keeper = 0;
    const apr_status_t status = apr_proc_fork(process, pool);
    if (status == APR_INCHILD) run_keeper(pool, s, parent, is_first);
    if (status != APR_INPARENT) {
        ap_log_error(
            APLOG_MARK, APLOG_ERR, status, s,
            "mtls_authz: the keeper cannot be started: what is in force stays so, and new processes refuse what "
            "is behind gates, until it can (it is tried again)");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    live.keeper = process;
    live.board->keeper = process->pid;
    apr_pool_cleanup_register(pool, process, end_keeper, apr_pool_cleanup_null);
    apr_proc_other_child_register(process, on_keeper_event, s, nullptr, pool);
    return OK;
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

int start_keeper(apr_pool_t* pconf, server_rec* s) {
    Live& live = state().live;
    // A server that runs goes on: without the pipe, a new child waits half a second longer for the keeper; without the
    // keeper, gates are closed to new children until watch_keeper() can fork it.
    const bool may_lack = is_restart();
    if (pipe(live.wakes_keeper) != 0) {
        ap_log_error(APLOG_MARK, may_lack ? APLOG_ERR : APLOG_EMERG, errno, s, "mtls_authz: no pipe to the keeper");
        if (!may_lack) return HTTP_INTERNAL_SERVER_ERROR;
        for (int& fd : live.wakes_keeper) fd = -1;
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
    const int forked = fork_keeper(pconf, s, true);
    return may_lack ? OK : forked;
}

void wake_keeper() noexcept {
    // If the pipe is full, the keeper wakes up anyway.
    [[maybe_unused]] const ssize_t written = write(state().live.wakes_keeper[1], "?", 1);
}

namespace {

// Whether the keeper used a second of processor time since the last call: a thread that builds for long sends no
// heartbeat.
bool is_busy(pid_t keeper) {
    static std::int64_t last = 0;
    clockid_t clock{};
    timespec used{};
    if (clock_getcpuclockid(keeper, &clock) != 0 || clock_gettime(clock, &used) != 0) return false;
    return used.tv_sec > std::exchange(last, used.tv_sec);
}

}  // namespace

extern "C" int watch_keeper(apr_pool_t*, server_rec* s) {
    if (state_in_force == nullptr || state().live.server == nullptr) return DECLINED;
    KeeperBoard& board = *state().live.board;
    if (board.keeper != 0 && is_busy(board.keeper)) board.busy_at = monotonic_seconds();
    if (board.keeper == 0) {
        // It could not be forked when the last one ended, or at a restart.
        if (!is_stopping()) fork_keeper(s->process->pconf, s, false);
        return DECLINED;
    }
    if (board.is_kept()) return DECLINED;
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "mtls_authz: the keeper sent no heartbeat for %d seconds (a file system that hangs?): it is ended, "
                 "and another one starts",
                 static_cast<int>(board.silence()));
    apr_proc_kill(state().live.keeper, SIGKILL);
    return DECLINED;
}

}  // namespace mtls::httpd
