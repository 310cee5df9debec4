// Runs a real httpd with mod_ssl and the module on 127.0.0.1, in a temporary folder.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace test {

struct HttpdPaths {
    std::string binary;   // httpd, or apache2 on Debian
    std::string modules;  // folder of its modules
    std::string module;   // mod_mtls_authz.so under test
    // Libraries to preload: the sanitizers that the module was built with.
    std::vector<std::string> preload;
    // Time and memory are not meaningful with sanitizers.
    bool is_sanitized() const { return !preload.empty(); }
};
// Uses apxs and the PATH.
HttpdPaths find_httpd(const std::string& module);

// The first line of `log` that holds `mark`; empty if there is none.
std::string line_with(const std::string& log, const std::string& mark);

class Httpd {
public:
    explicit Httpd(const HttpdPaths& paths);
    ~Httpd();
    Httpd(const Httpd&) = delete;
    Httpd& operator=(const Httpd&) = delete;

    const std::string& root() const { return root_; }
    int port() const { return port_; }         // TLS port
    int plain_port() const { return plain_; }  // plain HTTP port
    int next_port() const { return next_; }    // a spare port for a backend or another virtual host

    // Writes a file below root(), with its folders. Not atomic.
    void write(const std::string& name, const std::string& content) const;
    std::string path(const std::string& name) const { return root_ + "/" + name; }

    // LoadModule of a copy of mod_dav_fs that serves `DAV svn`.
    std::string load_dav_as_svn() const;

    // Adds to the environment of httpd and of its commands.
    void set_environment(const std::string& name, const std::string& value) {
        environment_.push_back(name + "=" + value);
    }

    // Has the dynamic linker load a library first, after those of the sanitizers.
    void preload(const std::string& library);

    // setrlimit() for the server only: RLIMIT_FSIZE and the like.
    void set_limit(int resource, std::size_t value) { limits_.emplace_back(resource, value); }

    // Writes everything before the test's own lines: modules, TLS on port(), logs, DocumentRoot root()/htdocs. `mpm`:
    // event, worker or prefork.
    void configure(const std::string& lines, const std::string& mpm = "event");
    void set_tls_lines(std::string lines) {
        tls_lines_ = std::move(lines);
    }  // inside <VirtualHost>, e.g. SSLVerifyClient
    void set_vhost_lines(std::string lines) { vhost_lines_ = std::move(lines); }
    void load(const std::string& module) { extra_modules_.push_back(module); }
    // Loads a copy of the module below root(), for a server started by a user without access to the build folder. Call
    // it before configure().
    void copy_module();
    // Loads the module before all others that a request meets, as Debian's order of names nearly does; else it is the
    // last.
    void load_module_first() { is_module_first_ = true; }
    // For comparison: a server without the module.
    void leave_out_module() { has_module_ = false; }
    // For everything but mod_ssl.
    void set_log_level(const std::string& level) { log_level_ = level; }

    // Runs `httpd -t` with more arguments; returns exit status and output.
    struct Output {
        int status;
        std::string text;
    };
    Output run(const std::vector<std::string>& args) const;

    // httpd's command line with this configuration.
    std::vector<std::string> command(const std::vector<std::string>& args) const;

    void start(const std::vector<std::string>& wrapper = {});
    void graceful() { restart(SIGUSR1); }
    void restart(int signal);
    // Whether the server ended by itself, within 30 s.
    bool has_ended();
    // Stops the server gracefully; returns whether it ended in time.
    bool stop();
    // Kills the server with all of its processes, those that it is about to start included, and waits until the kernel
    // has taken them down: until then they hold the ports.
    void crash();
    pid_t pid() const { return pid_; }
    std::vector<pid_t> children() const;  // the serving ones
    std::vector<pid_t> keepers() const;

    std::string error_log() const;
    // Waits at most 20 s until the log contains `text`.
    bool wait_for_log(const std::string& text) const;
    // Lines of the log at `error` or worse that contain none of `claimed`.
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
    bool is_module_first_ = false;
    std::string log_level_ = "warn mtls_authz:info";
};

// A free port of 127.0.0.1, reserved for this process while it runs.
int free_port();

// Resident memory of a process; 0 if there is none.
long resident_kib(pid_t pid);
// A field of its /proc/PID/status; 0 if there is none.
long memory_kib(pid_t pid, const std::string& field);
// Processor time that a process has used, in seconds.
double processor_seconds(pid_t pid);
// A file's content; empty if it does not exist, or vanishes while it is read as files of /proc do.
std::string file_text(const std::string& name);
// Child processes, with their line of /proc/PID/stat.
std::map<pid_t, std::string> children_of(pid_t parent);
// Memory of its children; pages shared between processes count once.
long children_kib(pid_t parent);

// Runs a program to its end; in `folder` unless that is empty.
Httpd::Output run_command(const std::vector<std::string>& words, const std::string& folder);

}  // namespace test
