#include "httpd/keeper/events.hpp"

#include <chrono>
#include <ctime>
#include <optional>
#include <thread>

#include "httpd/config/config.hpp"
#include "httpd/config/sections.hpp"
#include "httpd/keeper/seen.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/keeper/event_program.hpp"
#include "mtls_authz/ledger/log_limiter.hpp"

namespace mtls::httpd {

namespace {

// Limits the events for unknown issuers: clients can invent any number of them.
class HourlyBudget {
public:
    bool take(std::int64_t now) {
        constexpr int kMost = 20;
        if (now - began_ >= kHour || now < began_) {
            began_ = now;
            used_ = 0;
        }
        return used_ < kMost && ++used_ > 0;
    }

private:
    std::int64_t began_ = 0;
    int used_ = 0;
};

// Kinds that are logged where they are found.
bool is_logged_elsewhere(EventKind kind) {
    return kind == EventKind::kPolicyRefused || kind == EventKind::kRefusalSourceGone ||
           kind == EventKind::kUnknownIssuer;
}

class EventReporter {
public:
    EventReporter(const server_rec* s, const FileFaults& faults) : server_(s), faults_(faults) {}

    // Logs all new events, and runs the program at most once. Returns whether it ran.
    bool turn() {
        const FileTroubles files = faults_.troubles();
        for (const std::uint64_t cause : finder_.take_ended(files)) memory_.forget(run_key(cause));
        const std::int64_t now = std::time(nullptr);
        const auto is_reported = [this](const Event& event) { return !must_log(event) && !must_run(event); };
        const std::vector<Event> events =
            finder_.find(*state().ledger, state().live.policy.current(), files, now, is_reported);
        for (const Event& event : events) {
            if (!must_log(event)) continue;
            memory_.add(log_key(event.cause));
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server_, "mtls_authz: %s", event_line(event).c_str());
        }
        for (const Event& event : events) {
            if (!must_run(event)) continue;
            if (event.kind == EventKind::kUnknownIssuer && !unknown_issuer_budget_.take(now)) continue;
            // Record the cause first: a keeper that is killed meanwhile must not run the program again.
            memory_.add(run_key(event.cause));
            run(event, now);
            return true;
        }
        return false;
    }

private:
    static std::uint64_t log_key(std::uint64_t cause) { return mixed(cause, std::uint64_t{1}); }
    static std::uint64_t run_key(std::uint64_t cause) { return mixed(cause, std::uint64_t{2}); }
    bool must_log(const Event& event) const {
        return !is_logged_elsewhere(event.kind) && !memory_.has(log_key(event.cause));
    }
    bool must_run(const Event& event) const {
        return !state().event_command.empty() && !memory_.has(run_key(event.cause));
    }

    void run(const Event& event, std::int64_t now) {
        Ledger& ledger = *state().ledger;
        const char* const host = host_name(server_);
        const EventProgram program(state().event_command);
        const std::string fault = program.run(event_json(event, host, now), ledger.event_runner);
        ++(fault.empty() ? ledger.events_ok : ledger.events_failed);
        if (fault.empty()) return;
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server_, "mtls_authz: MTLSEventCmd %s %s, for %s%s%s",
                     state().event_command.front().c_str(), fault.c_str(), std::string(word_of(event.kind)).c_str(),
                     event.partner.empty() ? "" : " of ", escape_for_log(event.partner, 200).c_str());
    }

    const server_rec* server_;
    const FileFaults& faults_;
    CauseIndex memory_{state().ledger->reported_causes};
    EventFinder finder_{state().late};
    HourlyBudget unknown_issuer_budget_;
};

}  // namespace

void FileFaults::note_policy(const PollResult& outcome, const std::string& consequence) {
    constexpr std::size_t kMostFindings = 10;
    const std::lock_guard lock(mutex_);
    if (!outcome.refused.empty()) {
        FileTroubles::Refused refused{outcome.refused, {}, consequence};
        for (const Diagnostic& d : outcome.findings) {
            const bool counts = d.is_error() && refused.findings.size() < kMostFindings;
            if (counts) refused.findings.push_back(d.str());
        }
        troubles_.policy = std::move(refused);
    }
    if (outcome.policy_clean) troubles_.policy.reset();
    share();
}

void FileFaults::note_refusals(const PollResult& outcome) {
    const std::lock_guard lock(mutex_);
    gone_refusals_ = outcome.missing;
    note_gone();
    troubles_.bad_lines.clear();
    for (const Diagnostic& d : outcome.bad_lines) troubles_.bad_lines.push_back(d.str());
    share();
}

void FileFaults::note_crls(const PollResult& outcome) {
    const std::lock_guard lock(mutex_);
    gone_crls_ = outcome.missing_crls;
    note_gone();
    share();
}

// The caller holds mutex_.
void FileFaults::note_gone() {
    const std::int64_t now = std::time(nullptr);
    std::map<std::string, std::int64_t> gone;
    for (const auto* sources : {&gone_refusals_, &gone_crls_}) {
        for (const std::string& source : *sources) {
            const auto previous = troubles_.gone.find(source);
            gone.emplace(source, previous != troubles_.gone.end() ? previous->second : now);
        }
    }
    troubles_.gone = std::move(gone);
}

// The caller holds mutex_. Also replaces the data of a previous keeper.
void FileFaults::share() {
    if (shared_ == troubles_) return;
    state().ledger->file_troubles.put(troubles_);
    shared_ = troubles_;
}

FileTroubles FileFaults::troubles() const {
    const std::lock_guard lock(mutex_);
    return troubles_;
}

[[noreturn]] void report_events(const server_rec* s, const FileFaults& faults) {
    constexpr std::chrono::milliseconds kPause{500};
    std::optional<EventReporter> reporter;
    StatusUpdater seen(s);
    for (;;) {
        attempt(s, [&] { seen.turn(); });
        const bool has_run = guarded(s, false, [&] {
            if (!reporter) reporter.emplace(s, faults);
            return reporter->turn();
        });
        if (!has_run) std::this_thread::sleep_for(kPause);
    }
}

void check_event_program(std::vector<Diagnostic>& findings) {
    const auto& command = state().event_command;
    const std::string fault = command.empty() ? "" : EventProgram(command).find_fault();
    if (fault.empty()) return;
    const bool is_quoted_whole = command.size() == 1 && command.front().find(' ') != std::string::npos;
    findings.push_back({Diagnostic::Severity::kWarning, state().event_command_at,
                        "MTLSEventCmd: " + escape_for_log(command.front(), 200) + " cannot be run (" + fault + ")" +
                            (is_quoted_whole ? ": its arguments are words of their own, not quoted with it" : "") +
                            ": events are only logged"});
}

const char* on_warn(cmd_parms* cmd, void*, const char* arg) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        const auto rule = LateRule::parse(arg);
        if (!rule) return failure(cmd, std::string(cmd->cmd->name) + ": " + rule.error());
        state().late = rule.value();
        return nullptr;
    });
}

const char* on_event_cmd(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&]() -> const char* {
        if (const char* fault = ap_check_cmd_context(cmd, GLOBAL_ONLY | NOT_IN_HTACCESS)) return fault;
        if (const std::string fault = comment_fault(args); !fault.empty())
            return failure(cmd, cmd->cmd->name + (": " + fault));
        auto words = config_words(args);
        if (words.empty() || words.front().empty())
            return failure(cmd, std::string(cmd->cmd->name) +
                                    ": expected PROGRAM [ARGUMENT...], like /usr/local/lib/mtls/event-mail.sh "
                                    "pki@example.org");
        if (!state().event_command.empty())
            return failure(cmd, std::string(cmd->cmd->name) + ": already given at " + state().event_command_at.str() +
                                    "; one program is run: have it run the others");
        words.front() = in_server_root(words.front());
        state().event_command = std::move(words);
        state().event_command_at = place_of(cmd->directive);
        return nullptr;
    });
}

}  // namespace mtls::httpd
