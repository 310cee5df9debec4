// MTLSAuditLog: one JSON object a line, per decision.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// All children share the descriptor: a line is one write(2), which is atomic on a pipe and on a file opened with
// O_APPEND. It never blocks: lines that the reader does not take in time are dropped and counted.
struct AuditLog {
    std::string target;  // as configured
    Where where;
    bool denied_only = false;
    int fd = -1;                    // -1 after a restart that could not open it: each line is dropped and counted
    std::atomic<bool> torn{false};  // this process wrote the last line only in part

    bool wants(Outcome outcome) const { return !denied_only || outcome != Outcome::kAllow; }
    void write(const Account& account);
};

// The log of the server that serves this request; null if there is none, or it excludes this outcome.
AuditLog* audit_log_for(const request_rec* r, Outcome outcome);

// At a cold start, and before one: an error for each log whose folder does not exist.
void check_audit_logs(const server_rec* main_server, std::vector<Diagnostic>& findings);

// Hook: open_logs.
void register_audit_hooks();

const char* on_audit_log(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
