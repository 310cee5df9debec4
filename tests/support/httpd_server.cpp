
#include "httpd_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "claims.hpp"
#include "sockets.hpp"

namespace test {

namespace fs = std::filesystem;

std::string file_text(const std::string& name) {
    std::ifstream in(name);
    std::stringstream text;
    // Not by istreambuf_iterator: its reads throw where a process ends while its file of /proc is read.
    text << in.rdbuf();
    return text.str();
}

Httpd::Output run_command(const std::vector<std::string>& words, const std::string& folder) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        if (!folder.empty() && chdir(folder.c_str()) != 0) _exit(126);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, text};
}

double processor_seconds(pid_t pid) {
    const std::string text = file_text("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream fields(text.substr(text.rfind(')') + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    long user = 0, system = 0;
    fields >> user >> system;
    return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

long memory_kib(pid_t pid, const std::string& field) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
    }
    return 0;
}

long resident_kib(pid_t pid) { return memory_kib(pid, "VmRSS"); }

std::map<pid_t, std::string> children_of(pid_t parent) {
    std::map<pid_t, std::string> out;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        if (pid <= 0) continue;
        const std::string text = file_text(entry.path() / "stat");
        const std::size_t end = text.rfind(')');
        int above = 0;
        const bool is_known = end != std::string::npos && std::sscanf(text.c_str() + end + 1, " %*c %d", &above) == 1;
        if (is_known && above == parent) out.emplace(pid, text);
    }
    return out;
}

long children_kib(pid_t parent) {
    long sum = 0;
    for (const auto& [pid, stat] : children_of(parent)) {
        std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
        for (std::string line; std::getline(rollup, line);) {
            if (line.starts_with("Pss:")) sum += std::strtol(line.c_str() + 4, nullptr, 10);
        }
    }
    return sum;
}

namespace {

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

std::string first_found(const std::vector<std::string>& names) {
    const char* const own = std::getenv("PATH");
    // An unprivileged user's PATH often lacks httpd's folder.
    std::istringstream folders(std::string(own != nullptr ? own : "") +
                               ":/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        for (const std::string& name : names) {
            const std::string file = folder + "/" + name;
            if (!folder.empty() && access(file.c_str(), X_OK) == 0) return file;
        }
    }
    throw std::runtime_error("none found of: " + names.front());
}

// httpd writes its pid file before it installs signal handlers; a signal before that would end it.
bool catches(pid_t pid, int signal) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("SigCgt:")) return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0;
    }
    return false;
}

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Reserves a port for this process and its forks by an abstract socket of that name: the kernel allows one holder, and
// frees it when the last of them ends.
bool reserve(int port) {
    const int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "mtls-authz-test-port-" + std::to_string(port);
    name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (s >= 0 && bind(s, reinterpret_cast<sockaddr*>(&address), length) == 0) return true;
    close(s);
    return false;
}

}  // namespace

int free_port() {
    // Below the kernel's ephemeral ports (32768 and above), or a client could take it before the server does.
    constexpr int kFirst = 10240, kCount = 20480;
    static int next = getpid() * 64;
    for (int tries = 0; tries < kCount; ++tries) {
        const int port = kFirst + next++ % kCount;
        if (reserve(port) && can_listen(port)) return port;
    }
    throw std::runtime_error("no free port");
}

namespace {

// In the order that the loader needs.
std::vector<std::string> sanitizers_of(const std::string& module) {
    std::vector<std::string> out;
    const std::string text = run_command({"ldd", module}, "").text;
    for (const char* name : {"libclang_rt.asan", "libasan.so", "libubsan.so"}) {
        const std::size_t at = text.find("=> ", text.find(name));
        if (at == std::string::npos || text.find(name) == std::string::npos) continue;
        out.push_back(text.substr(at + 3, text.find(' ', at + 3) - at - 3));
    }
    return out;
}

}  // namespace

std::string line_with(const std::string& log, const std::string& mark) {
    const std::size_t at = log.find(mark);
    if (at == std::string::npos) return {};
    const std::size_t start = log.rfind('\n', at) + 1;
    return log.substr(start, log.find('\n', at) - start);
}

HttpdPaths find_httpd(const std::string& module) {
    const std::string apxs = first_found({"apxs", "apxs2"});
    return {first_found({"httpd", "apache2"}), trimmed(run_command({apxs, "-q", "LIBEXECDIR"}, "").text), module,
            sanitizers_of(module)};
}

Httpd::Httpd(const HttpdPaths& paths) : paths_(paths) {
    umask(S_IWGRP | S_IWOTH);  // the run-time user must read files of tests, whatever the shell's umask is
    const char* const base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/mtls-authz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    root_ = name;
    chmod(root_.c_str(), 0755);
    for (const char* folder : {"htdocs", "logs", "run"}) fs::create_directories(root_ + "/" + folder);
    port_ = free_port();
    plain_ = free_port();
    next_ = free_port();
    if (!paths_.is_sanitized()) return;
    // httpd's children write their reports there under the run-time user.
    fs::create_directories(root_ + "/reports");
    chmod((root_ + "/reports").c_str(), 0777);
    preload("");
    // Leaks of httpd and its libraries are not ours; the valgrind claim checks ours. Freed memory is overwritten
    // because httpd is not instrumented, and would read it unnoticed. Signals are reported despite httpd's own
    // handlers.
    const std::string report = ":log_path=" + root_ + "/reports/sanitizer";
    set_environment("ASAN_OPTIONS",
                    "detect_leaks=0:max_free_fill_size=65536:free_fill_byte=165:handle_segv=2:handle_sigbus=2:"
                    "handle_abort=2:handle_sigfpe=2" +
                        report);
    set_environment("UBSAN_OPTIONS", "print_stacktrace=1" + report);
}

void Httpd::preload(const std::string& library) {
    std::string libraries;
    for (const std::string& each : paths_.preload) libraries += each + ":";
    set_environment("LD_PRELOAD", libraries + library);
}

Httpd::~Httpd() {
    stop();
    report_sanitizers();
    std::error_code ignored;
    if (std::getenv("KEEP_FILES") == nullptr) fs::remove_all(root_, ignored);
}

void Httpd::write(const std::string& name, const std::string& content) const {
    const fs::path file = path(name);
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

void Httpd::copy_module() {
    const std::string copy = path("mod_mtls_authz.so");
    fs::copy_file(paths_.module, copy);
    fs::permissions(copy, fs::perms::owner_all | fs::perms::group_read | fs::perms::others_read);
    paths_.module = copy;
}

std::string Httpd::load_dav_as_svn() const {
    std::string module = file_text(paths_.modules + "/mod_dav_fs.so");
    const std::string provider("filesystem\0", 11), svn("svn\0\0\0\0\0\0\0\0", 11);
    module.replace(module.find(provider), provider.size(), svn);
    write("mod_dav_svn.so", module);
    return "LoadModule dav_fs_module \"" + path("mod_dav_svn.so") + "\"\n";
}

void Httpd::configure(const std::string& lines, const std::string& mpm) {
    is_prefork_ = mpm == "prefork";
    std::ostringstream out;
    out << "ServerRoot \"" << root_ << "\"\nServerName localhost\nPidFile run/httpd.pid\nDefaultRuntimeDir run\n"
        << "Mutex file:run default\n"
        << "Listen 127.0.0.1:" << port_ << "\nListen 127.0.0.1:" << plain_ << "\n"
        << "ErrorLog logs/error.log\nLogLevel " << log_level_ << " ssl:warn\nErrorLogFormat \"[%m:%l] %M\"\n";
    std::vector<std::string> modules = {"mpm_" + mpm, "authn_core",    "authz_core", "authz_host", "authz_user",
                                        "unixd",      "socache_shmcb", "ssl",        "mime",       "env",
                                        "watchdog",   "headers",       "setenvif",   "alias",      "dir"};
    if (mpm != "prefork") modules.push_back("http2");
    modules.insert(modules.end(), extra_modules_.begin(), extra_modules_.end());
    const std::string own = has_module_ ? "LoadModule mtls_authz_module \"" + paths_.module + "\"\n" : std::string();
    if (is_module_first_) out << own;
    for (const std::string& module : modules) {
        const std::string file = paths_.modules + "/mod_" + module + ".so";
        if (access(file.c_str(), R_OK) == 0) out << "LoadModule " << module << "_module \"" << file << "\"\n";
    }
    if (!is_module_first_) out << own;
    if (geteuid() == 0)
        out << "User nobody\nGroup " << (fs::exists("/etc/debian_version") ? "nogroup" : "nobody") << "\n";
    out << "StartServers 2\nTypesConfig /dev/null\nAddType text/html .html\nDocumentRoot htdocs\nKeepAliveTimeout 20\n"
        << "MaxKeepAliveRequests 0\nGracefulShutdownTimeout 5\n"
        << "SSLSessionCache shmcb:run/sessions(512000)\nSSLCipherSuite DEFAULT:@SECLEVEL=1\n"
        << "<Directory \"" << root_ << "/htdocs\">\n    Require all granted\n    AllowOverride All\n    Options "
        << "+FollowSymLinks\n</Directory>\n"
        << lines << "\n<VirtualHost 127.0.0.1:" << port_ << ">\n    ServerName localhost\n";
    if (mpm != "prefork") out << "    Protocols h2 http/1.1\n";
    out << "    SSLEngine on\n    SSLCertificateFile server.pem\n    SSLCertificateKeyFile server.pem\n"
        << "    SSLCACertificateFile client-cas.pem\n    SSLVerifyDepth 5\n    " << tls_lines_ << "\n"
        << vhost_lines_ << "\n</VirtualHost>\n";
    write("httpd.conf", out.str());
}

std::vector<std::string> Httpd::command(const std::vector<std::string>& args) const {
    std::vector<std::string> words;
    if (!environment_.empty()) words.emplace_back("env");
    words.insert(words.end(), environment_.begin(), environment_.end());
    words.insert(words.end(), {paths_.binary, "-d", root_, "-f", root_ + "/httpd.conf"});
    words.insert(words.end(), args.begin(), args.end());
    return words;
}

Httpd::Output Httpd::run(const std::vector<std::string>& args) const { return run_command(command(args), ""); }

void Httpd::start(const std::vector<std::string>& wrapper) {
    std::vector<std::string> words = wrapper;
    const bool single = !wrapper.empty();
    for (const std::string& word : command({single ? "-X" : "-DFOREGROUND"})) words.push_back(word);
    pid_ = fork();
    if (pid_ == 0) {
        const int out = open((root_ + "/logs/stderr.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(out, 1);
        dup2(out, 2);
        // A process group of its own, or httpd's group-wide signals at the end would hit the tests.
        setpgid(0, 0);
        for (const auto& [resource, value] : limits_) {
            const rlimit limit{value, value};
            setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
        }
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    const int tries = single ? 100000 : 2400;  // under valgrind a million identities take minutes
    for (int i = 0; i < tries; ++i) {
        // httpd listens and closes again before it reads its configuration for the second time; then it writes its pid.
        if (fs::exists(path("run/httpd.pid")) && accepts(port_)) return;
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error("httpd did not start: " + file_text(root_ + "/logs/stderr.log") + error_log());
        }
        pause_ms(25);
    }
    throw std::runtime_error("httpd does not accept: " + error_log());
}

void Httpd::restart(int signal) {
    for (int i = 0; i < 400 && !catches(pid_, signal); ++i) pause_ms(5);
    kill(pid_, signal);
}

bool Httpd::has_ended() {
    for (int i = 0; pid_ > 0 && i < 1200; ++i) {  // slow under valgrind with parallel tests
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
        if (pid_ > 0) pause_ms(25);
    }
    return pid_ <= 0;
}

bool Httpd::stop() {
    if (pid_ <= 0) return true;
    // A prefork child exits in its signal handler, even while it frees a connection: SSL_free() and mod_ssl then
    // conflict. Give the last connection time to end.
    if (is_prefork_) pause_ms(300);
    kill(pid_, SIGTERM);
    if (has_ended()) return true;
    crash();
    return false;
}

void Httpd::crash() {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    for (int i = 0; i < 1200 && accepts(port_); ++i) pause_ms(25);
}

namespace {

// Of a line of /proc/PID/stat.
bool is_keeper(const std::string& stat) { return stat.find("(mtls-keeper)") != std::string::npos; }

}  // namespace

std::vector<pid_t> Httpd::children() const {
    std::vector<pid_t> out;
    for (const auto& [pid, stat] : children_of(pid_)) {
        if (!is_keeper(stat)) out.push_back(pid);
    }
    return out;
}

std::vector<pid_t> Httpd::keepers() const {
    std::vector<pid_t> out;
    for (const auto& [pid, stat] : children_of(pid_)) {
        if (is_keeper(stat)) out.push_back(pid);
    }
    return out;
}

namespace {

// A race of the event MPM: at exit a child reads its workers' sockets, which the workers may have freed
// (close_worker_sockets() in event.c).
bool is_of_ending_workers(const std::string& report) {
    const std::size_t top = report.find("#0 "), below = report.find("#1 ");
    if (top == std::string::npos || below == std::string::npos) return false;
    const std::string first = report.substr(top, below - top),
                      second = report.substr(below, report.find("#2 ") - below);
    return first.find(" in apr_os_sock_get ") != std::string::npos &&
           second.find("/mod_mpm_event.so") != std::string::npos && report.find("mod_mtls_authz") == std::string::npos;
}

}  // namespace

void Httpd::report_sanitizers() const {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(root_ + "/reports", none)) {
        const std::string text = file_text(entry.path());
        if (!is_of_ending_workers(text)) add_finding(text);
    }
}

std::string Httpd::error_log() const { return file_text(root_ + "/logs/error.log"); }

bool Httpd::wait_for_log(const std::string& text) const {
    for (int i = 0; i < 1200; ++i) {
        if (error_log().find(text) != std::string::npos) return true;
        pause_ms(50);
    }
    return false;
}

std::vector<std::string> Httpd::unclaimed_errors(const std::vector<std::string>& claimed) const {
    std::vector<std::string> out;
    std::istringstream lines(error_log());
    for (std::string line; std::getline(lines, line);) {
        bool bad = false;
        for (const char* level : {":error]", ":crit]", ":alert]", ":emerg]"})
            bad = bad || line.find(level) != std::string::npos;
        for (const std::string& part : claimed) bad = bad && line.find(part) == std::string::npos;
        if (bad) out.push_back(line);
    }
    return out;
}

}  // namespace test
