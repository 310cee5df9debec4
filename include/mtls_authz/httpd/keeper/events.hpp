// What needs a person: told once for each cause, by a thread of the keeper, in the error log and by MTLSEventCmd.
// Nothing here decides, and nothing waits for it.
#pragma once

#include <mutex>
#include <optional>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "mtls_authz/ledger/event.hpp"

namespace mtls::httpd {

// What the threads that look at files leave for the one that tells.
class EventDesk {
public:
    // `consequence`: what a refused policy means.
    void note_policy(const LookOutcome& outcome, const std::string& consequence);
    void note_refusals(const LookOutcome& outcome);
    FileTroubles troubles() const;

private:
    void share();

    mutable std::mutex mutex_;
    FileTroubles troubles_;
    std::optional<FileTroubles> shared_;  // what the ledger has of them
};

// In the keeper, in a thread of its own.
[[noreturn]] void tell_events(const server_rec* s, const EventDesk& desk);

// At start: warns of a program that cannot be run.
void check_event_program(std::vector<Diagnostic>& findings);

// Directive handlers.
const char* on_warn(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_event_cmd(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
