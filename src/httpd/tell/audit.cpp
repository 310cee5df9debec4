#include "httpd/tell/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "httpd/config/config.hpp"
#include "httpd/config/sections.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"

extern "C" {
#include <apr_portable.h>
}

namespace mtls::httpd {

namespace {

const char* read_audit_log(cmd_parms* cmd, const char* args) {
    if (const char* fault = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT | NOT_IN_HTACCESS)) return fault;
    const std::string name = cmd->cmd->name;
    const auto words = config_words(args);
    static constexpr std::string_view kWhat[] = {"all", "denied"};
    if (const std::string fault = comment_fault(args); !fault.empty()) return failure(cmd, name + ": " + fault);
    if (words.empty() || words.front().empty() || words.front() == "|" || words.size() > 2) {
        return failure(cmd, name +
                                ": expected FILE or \"|PROGRAM\", then all or denied, like logs/mtls_audit.log denied "
                                "(a program with arguments is quoted as a whole)");
    }
    const bool denied_only = words.size() == 2 && equal_nocase(words[1], kWhat[1]);
    if (words.size() == 2 && !denied_only && !equal_nocase(words[1], kWhat[0])) {
        return failure(cmd, name + ": '" + escape_for_log(words[1], 60) + "'" + did_you_mean(words[1], kWhat) +
                                ": expected all or denied (a program with arguments is quoted as a whole)");
    }
    ServerConfig& config = server_config(cmd->server);
    if (config.audit != nullptr) {
        return failure(cmd, name + ": this server has " + in_quotes(config.audit->target, 100) + " already, at " +
                                config.audit->where.str() + ": take one of the two out");
    }
    config.audit = pool_new<AuditLog>(cmd->pool);
    config.audit->target = words.front();
    config.audit->where = place_of(cmd->directive);
    config.audit->denied_only = denied_only;
    state().measures_time = true;
    return nullptr;
}

// A slow reader must not block requests.
bool make_nonblocking(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

// The descriptor of the pipe, or -1. httpd restarts the program if it ends.
int open_program(apr_pool_t* pconf, const std::string& target) {
    const bool by_shell = target[1] == '$';
    const std::size_t prefix = by_shell || target[1] == '|' ? 2 : 1;
    piped_log* const pipe =
        ap_open_piped_log_ex(pconf, target.c_str() + prefix, by_shell ? APR_SHELLCMD_ENV : APR_PROGRAM_ENV);
    apr_os_file_t fd = -1;
    if (pipe == nullptr || apr_os_file_get(&fd, ap_piped_log_write_fd(pipe)) != APR_SUCCESS) return -1;
    return make_nonblocking(fd) ? fd : -1;
}

// Closed with `pconf`: a restart reopens the path, and so releases a rotated file.
int open_file(apr_pool_t* pconf, const std::string& target) {
    constexpr mode_t kForOwnerAndGroup = 0640;
    const char* const path = ap_server_root_relative(pconf, target.c_str());
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, kForOwnerAndGroup);
    if (fd < 0) return -1;
    apr_os_file_t os_file = fd;
    apr_file_t* owned = nullptr;
    apr_os_file_put(&owned, &os_file, APR_FOPEN_WRITE | APR_FOPEN_APPEND, pconf);
    apr_pool_cleanup_register(
        pconf, owned, [](void* file) noexcept { return apr_file_close(static_cast<apr_file_t*>(file)); },
        apr_pool_cleanup_null);
    return fd;
}

int open_audit_logs(apr_pool_t* pconf, server_rec* main_server) {
    for (server_rec* s = main_server; s != nullptr; s = s->next) {
        ServerConfig& config = server_config(s);
        if (config.audit == nullptr) {
            config.audit = server_config(main_server).audit;
            continue;
        }
        AuditLog& log = *config.audit;
        log.fd = log.target.front() == '|' ? open_program(pconf, log.target) : open_file(pconf, log.target);
        if (log.fd >= 0) continue;
        const int why = errno;
        const Diagnostic fault{
            Diagnostic::Severity::kError, log.where,
            "MTLSAuditLog: cannot open " + in_quotes(log.target) +
                (is_restart() ? ": its lines are dropped and counted, until a restart opens it" : "")};
        ap_log_error(APLOG_MARK, is_restart() ? APLOG_ERR : APLOG_EMERG, why, s, "mtls_authz: %s", fault.str().c_str());
        if (!is_restart()) return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

// Opens the logs in both passes of a start, as mod_log_config does. After a fault in the first pass, `httpd -k start`
// exits with 1; in the second pass httpd runs in the background already.
extern "C" int on_open_logs(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*, server_rec* s) {
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] { return open_audit_logs(pconf, s); });
}

}  // namespace

void AuditLog::write(const Account& account) {
    std::string line = audit_line(account);
    // End the partial line, so that it does not merge with this one.
    const bool mends = torn.exchange(false, std::memory_order_relaxed);
    if (mends && line.size() < kMostAuditBytes) line.insert(line.begin(), '\n');
    ssize_t written = 0;
    do written = ::write(fd, line.data(), line.size());
    while (written < 0 && errno == EINTR);
    if (written == static_cast<ssize_t>(line.size())) return;
    if (written > 0 || mends) torn = true;
    ++state().ledger->audit_dropped;
}

AuditLog* audit_log_for(const request_rec* r, Outcome outcome) {
    AuditLog* const log = server_config(r->server).audit;
    return log != nullptr && log->wants(outcome) ? log : nullptr;
}

namespace {

// Why a log cannot be opened; "" if no fault is seen before it is.
std::string fault_of(const std::string& target) {
    if (target.front() == '|') {
        const bool is_shell = target.starts_with("|$");
        const auto words = config_words(std::string_view(target).substr(is_shell || target.starts_with("||") ? 2 : 1));
        // httpd runs it by this path, from the current folder, and asks no PATH.
        const bool is_missing = !is_shell && !words.empty() && access(words.front().c_str(), X_OK) != 0;
        if (!is_missing) return "";
        return "; there is no program " + in_quotes(words.front()) + " that can be run" +
               (words.front().starts_with('/') ? "" : ": write its whole path, since httpd asks no PATH");
    }
    const std::string path = in_server_root(target);
    std::error_code none;
    if (std::filesystem::is_directory(path, none)) return "; it is a folder: name a file in it";
    return hint_of_missing(path.substr(0, path.rfind('/') + 1) + ".");
}

}  // namespace

void check_audit_logs(const server_rec* main_server, std::vector<Diagnostic>& findings) {
    if (is_restart()) return;  // open_logs reports it
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        const AuditLog* const log = server_config(s).audit;
        if (log == nullptr) continue;
        const std::string fault = fault_of(log->target);
        if (fault.empty()) continue;
        findings.push_back(
            {Diagnostic::Severity::kError, log->where, "MTLSAuditLog: cannot open " + in_quotes(log->target) + fault});
    }
}

const char* on_audit_log(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return read_audit_log(cmd, args); });
}

void register_audit_hooks() { ap_hook_open_logs(on_open_logs, nullptr, nullptr, APR_HOOK_MIDDLE); }

}  // namespace mtls::httpd
