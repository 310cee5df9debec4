// A real httpd with mod_ssl and the module, on 127.0.0.1, in a folder of its own that goes with it.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

namespace test {

struct HttpdPaths {
    std::string binary;   // httpd, or apache2 on Debian
    std::string modules;  // where its modules are
    std::string module;   // mod_mtls_authz.so under test
    // Libraries that have to be there before any other: the sanitizers' that the module was built with.
    std::vector<std::string> preload;
    // What a module with sanitizers takes of time and memory says nothing.
    bool is_sanitized() const { return !preload.empty(); }
};
// Asks apxs, and the PATH.
HttpdPaths find_httpd(const std::string& module);

class Httpd {
public:
    explicit Httpd(const HttpdPaths& paths);
    ~Httpd();
    Httpd(const Httpd&) = delete;
    Httpd& operator=(const Httpd&) = delete;

    const std::string& root() const { return root_; }
    int port() const { return port_; }         // TLS
    int plain_port() const { return plain_; }  // plain http
    int next_port() const { return next_; }    // one more, for a backend or another virtual host

    // Writes a file below root(), folders included. Not atomic.
    void write(const std::string& name, const std::string& content) const;
    std::string path(const std::string& name) const { return root_ + "/" + name; }

    // More environment for httpd, and for each of its commands.
    void set_environment(const std::string& name, const std::string& value) {
        environment_.push_back(name + "=" + value);
    }

    // As setrlimit() has it, for the server alone: RLIMIT_FSIZE and the like.
    void set_limit(int resource, std::size_t value) { limits_.emplace_back(resource, value); }

    // Everything that goes before the test's own lines: modules, TLS on port(), logs, DocumentRoot root()/htdocs.
    // `mpm`: event, worker or prefork.
    void configure(const std::string& lines, const std::string& mpm = "event");
    void set_tls_lines(std::string lines) {
        tls_lines_ = std::move(lines);
    }  // inside <VirtualHost>, e.g. SSLVerifyClient
    void set_vhost_lines(std::string lines) { vhost_lines_ = std::move(lines); }
    void load(const std::string& module) { extra_modules_.push_back(module); }
    // Loads a copy of the module below root(): for a server that another user starts, who may not enter the build
    // folder. Before configure().
    void copy_module();
    // For comparisons with a server that has never heard of it.
    void leave_out_module() { has_module_ = false; }
    // Of everything but mod_ssl.
    void set_log_level(const std::string& level) { log_level_ = level; }

    // Runs `httpd -t` with more arguments: exit status, and what it printed.
    struct Output {
        int status;
        std::string text;
    };
    Output run(const std::vector<std::string>& args) const;

    // The command line of httpd with this configuration.
    std::vector<std::string> command(const std::vector<std::string>& args) const;

    void start(const std::vector<std::string>& wrapper = {});
    void graceful() { restart(SIGUSR1); }
    void restart(int signal);
    // Whether the server went by itself, at most thirty seconds later.
    bool has_ended();
    // Graceful stop; returns whether the server went in time.
    bool stop();
    pid_t pid() const { return pid_; }
    std::vector<pid_t> children() const;  // those that serve
    std::vector<pid_t> keepers() const;

    std::string error_log() const;
    // Waits until the log holds `text` (at most twenty seconds).
    bool wait_for_log(const std::string& text) const;
    // Lines of the log at `error` or worse that hold none of `claimed`.
    std::vector<std::string> unclaimed_errors(const std::vector<std::string>& claimed) const;

private:
    void report_sanitizers() const;

    HttpdPaths paths_;
    std::string root_;
    int port_ = 0;
    int plain_ = 0;
    int next_ = 0;
    pid_t pid_ = -1;
    bool is_prefork_ = false;
    std::string tls_lines_ = "SSLVerifyClient optional\n";
    std::string vhost_lines_;
    std::vector<std::string> environment_;
    std::vector<std::pair<int, std::size_t>> limits_;
    std::vector<std::string> extra_modules_;
    bool has_module_ = true;
    std::string log_level_ = "warn mtls_authz:info";
};

// A port of 127.0.0.1 on which no server listens, taken for this process: no other one gets it as long as this one
// runs.
int free_port();

// Resident memory of a process; 0 where there is none.
long resident_kib(pid_t pid);
// Memory of its children; pages that several processes share count once.
long children_kib(pid_t parent);

// Runs a program to its end, in `folder` where that is not empty.
Httpd::Output run_command(const std::vector<std::string>& words, const std::string& folder);

}  // namespace test
