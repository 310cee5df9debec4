// MTLSAuditLog: one JSON object a line, per decision.
#pragma once

#include <atomic>
#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Shared by all children: a line is one write(2), which the kernel keeps whole in a pipe and in a file that is appended
// to. It never blocks: what the reader does not take in time is dropped and counted.
struct AuditLog {
    std::string target;  // as configured
    bool denied_only = false;
    int fd = -1;
    std::atomic<bool> torn{false};  // the last line of this process was not written whole

    bool wants(Outcome outcome) const { return !denied_only || outcome != Outcome::kAllow; }
    void write(const Account& account);
};

// The one of the server that serves this request; null where there is none, or it does not want to know.
AuditLog* audit_log_for(const request_rec* r, Outcome outcome);

// Hook: open_logs.
void register_audit_hooks();

const char* on_audit_log(cmd_parms* cmd, void* config, const char* args) noexcept;

}  // namespace mtls::httpd
