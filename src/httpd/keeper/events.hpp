// Events: a thread of the keeper reports each cause once, in the error log and with MTLSEventCmd. No decision depends
// on it or waits for it.
#pragma once

#include <mutex>
#include <optional>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "mtls_authz/ledger/event.hpp"

namespace mtls::httpd {

// Passes the faults that the polling threads find to the event thread.
class FileFaults {
public:
    // `consequence`: effect of a refused policy.
    void note_policy(const PollResult& outcome, const std::string& consequence);
    void note_refusals(const PollResult& outcome);
    void note_crls(const PollResult& outcome);
    FileTroubles troubles() const;

private:
    void note_gone();
    void share();

    mutable std::mutex mutex_;
    FileTroubles troubles_;
    std::vector<std::string> gone_refusals_, gone_crls_;
    std::optional<FileTroubles> shared_;  // what the ledger contains
};

// Runs in the keeper, in its own thread.
[[noreturn]] void report_events(const server_rec* s, const FileFaults& faults);

// At start: warns if the program cannot be run.
void check_event_program(std::vector<Diagnostic>& findings);

// Directive handlers.
const char* on_warn(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_event_cmd(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
