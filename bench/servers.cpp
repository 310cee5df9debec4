#include "servers.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "httpd_server.hpp"
#include "instructions.hpp"
#include "tls_client.hpp"
#include "world.hpp"

namespace bench {

void write_files(const std::string& folder, const Files& files) {
    const auto put = [&folder](const std::string& name, const std::string& content) {
        std::ofstream(folder + "/" + name) << content;
    };
    std::filesystem::create_directories(folder + "/htdocs/gate/orders");
    for (const char* page : {"htdocs/gate/orders/17", "htdocs/ok.html"}) put(page, "welcome");
    put("server.pem", files.server);
    put("client-cas.pem", files.client_ca);
    for (const auto& [name, content] : files.others) put(name, content);
}

namespace {

// The difference of 300 requests repeats to some 10 instructions a request.
constexpr int kFew = 50, kMany = 350;
// Requests until a certificate is cached, and a repeated denial is only counted.
constexpr int kUntilQuiet = 100;
constexpr int kConnections = 20;

void expect(const test::Response& response, int status) {
    if (response.status == status) return;
    throw std::runtime_error("answered " + std::to_string(response.status) + " instead of " + std::to_string(status) +
                             "\n" + response.headers);
}

const std::string& page_of(const Visitor& visitor, int i) {
    return visitor.pages[static_cast<std::size_t>(i) % visitor.pages.size()];
}

void ask(int port, const Visitor& visitor, int requests) {
    test::TlsClient client(port, visitor.client);
    for (int i = 0; i < requests; ++i) expect(client.get(page_of(visitor, i)), visitor.status);
}

enum class Count { kByConnection, kByThread };

// Runs one httpd process under callgrind; returns the instructions of each connection, the last with those of the stop,
// or of each thread.
std::vector<std::uint64_t> counted(const HttpdSite& site, const std::function<void(const test::Httpd&)>& work,
                                   Count what = Count::kByConnection) {
    test::Httpd httpd(test::httpd_paths());
    write_files(httpd.root(), site.files);
    httpd.copy_module();
    if (!site.with_module) httpd.leave_out_module();
    for (const char* module : {"auth_basic", "authn_file", "authz_groupfile", "headers", "log_config"}) {
        httpd.load(module);
    }
    httpd.set_log_level("emerg");
    if (!site.tls.empty()) httpd.set_tls_lines(site.tls);
    // A threaded MPM, since mod_watchdog's thread alone would slow a process without threads; one worker thread, so
    // that no measured connection includes a thread's first-time work.
    const std::string one = site.mpm == "prefork" ? "StartServers 1\nMaxRequestWorkers 1\n" : "ThreadsPerChild 1\n";
    std::string sections;
    for (const char* path : {"/gate/", "/other/"}) {
        sections += std::string("<Location ") + path + ">\n" + site.gate + "\n</Location>\n";
    }
    httpd.configure(one + "AliasMatch ^/(gate|other|free)/ \"" + httpd.path("htdocs/ok.html") + "\"\n" + site.global +
                        "\n" + sections,
                    site.mpm);
    const test::InstructionCounter counter(httpd.root());
    const bool by_thread = what == Count::kByThread;
    httpd.start(by_thread ? counter.wrapper("") : counter.wrapper());
    work(httpd);
    httpd.stop();
    return by_thread ? counter.threads() : counter.parts();
}

long mean(std::vector<std::uint64_t>::const_iterator first, std::size_t count) {
    return static_cast<long>(std::accumulate(first, first + static_cast<std::ptrdiff_t>(count), std::uint64_t{0}) /
                             count);
}

}  // namespace

std::vector<long> httpd_requests(const HttpdSite& site, const std::vector<Visitor>& visitors) {
    constexpr std::size_t kTimes = 3;
    const auto parts = counted(site, [&](const test::Httpd& httpd) {
        ask(httpd.port(), visitors.front(), kFew);  // first-time work of the process
        for (const Visitor& visitor : visitors) {
            ask(httpd.port(), visitor, kUntilQuiet);
            for (std::size_t i = 0; i < kTimes; ++i) ask(httpd.port(), visitor, kFew);
            for (std::size_t i = 0; i < kTimes; ++i) ask(httpd.port(), visitor, kMany);
        }
        ask(httpd.port(), visitors.front(), 1);
    });
    std::vector<long> out;
    for (std::size_t following = visitors.size(); following-- > 0;) {
        const std::size_t after = 1 + following * (1 + 2 * kTimes);
        // The least, since connections differ in how the heap happens to lie.
        const long many = test::InstructionCounter::least(parts, kTimes, after);
        const long few = test::InstructionCounter::least(parts, kTimes, after + kTimes);
        out.push_back((many - few) / (kMany - kFew));
    }
    return out;
}

long httpd_streams(HttpdSite site, const Visitor& visitor) {
    site.global = "H2MinWorkers 1\nH2MaxWorkers 1\n" + site.global;
    const auto serving = [&](int requests) {
        auto threads = counted(
            site,
            [&](const test::Httpd& httpd) {
                test::Http2Client client(httpd.port(), visitor.client, httpd.root());
                for (int i = 0; i < requests; ++i) expect(client.get(page_of(visitor, i)), visitor.status);
            },
            Count::kByThread);
        // Besides the first, the connection's has most to do, and that of the streams comes next.
        std::sort(threads.begin() + 1, threads.end(), std::greater<>());
        return static_cast<long>(threads.at(2));
    };
    return (serving(kMany) - serving(kFew)) / (kMany - kFew);
}

long httpd_told_denials(const HttpdSite& site, const Visitor& visitor) {
    constexpr int kFirst = 5, kSome = 5, kMore = 45;  // together less than what a minute tells in full
    std::string log;
    const auto parts = counted(site, [&](const test::Httpd& httpd) {
        for (const int requests : {kFirst, kSome, kMore, 1}) ask(httpd.port(), visitor, requests);
        log = httpd.error_log();
    });
    int told = 0;
    for (std::size_t at = 0; (at = log.find("mtls_authz: denied", at)) != std::string::npos; ++at) ++told;
    if (site.with_module && told < kFirst + kSome + kMore) throw std::runtime_error("some denials were only counted");
    const auto last = parts.end() - 1;
    return (static_cast<long>(*(last - 1)) - static_cast<long>(*(last - 2))) / (kMore - kSome);
}

Connections httpd_connections(const HttpdSite& site, const Visitor& visitor, const std::vector<Visitor>& strangers) {
    const auto parts = counted(site, [&](const test::Httpd& httpd) {
        ask(httpd.port(), visitor, 1);
        for (const Visitor& stranger : strangers) ask(httpd.port(), stranger, 1);
        for (int i = 0; i < kConnections; ++i) ask(httpd.port(), visitor, 1);
        test::SslSessionPtr session;
        for (int i = 0; i <= kConnections; ++i) {
            test::TlsClient client(httpd.port(), visitor.client, session.get());
            expect(client.get(visitor.pages.front()), visitor.status);
            session = client.session();
        }
        ask(httpd.port(), visitor, 1);
    });
    // The last part ends with the stop; before it are the resumed connections, whose first was a full handshake; before
    // them the full handshakes, and before those the strangers.
    const auto end = parts.cend() - 1;
    const auto full = end - 2 * kConnections - 1;
    Connections out;
    out.resumed = mean(end - kConnections, kConnections);
    out.full = mean(full, kConnections);
    out.first = strangers.empty() ? 0 : mean(full - static_cast<std::ptrdiff_t>(strangers.size()), strangers.size());
    return out;
}

long httpd_handshakes(const HttpdSite& site) {
    constexpr std::size_t kTimes = 7;
    const auto parts = counted(site, [](const test::Httpd& httpd) {
        for (std::size_t i = 0; i < kTimes; ++i) test::TlsClient(httpd.port(), test::ClientOptions{}).announced();
    });
    return test::InstructionCounter::median(parts, kTimes, 1);
}

namespace {

class Folder {
public:
    Folder() {
        if (mkdtemp(name_.data()) == nullptr) throw std::runtime_error("mkdtemp");
        std::filesystem::permissions(name_, std::filesystem::perms(0755));
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(name_, ignored);
    }
    const std::string& name() const { return name_; }

private:
    std::string name_ = "/tmp/mtls-authz-bench-XXXXXX";
};

bool answers(int port) {
    try {
        return test::TlsClient(port, test::ClientOptions()).connected();
    } catch (const std::exception&) {
        return false;
    }
}

// Runs a foreground server under callgrind; returns its instructions in calls of `function`.
long whole_run(const std::string& folder, int port, const std::string& function,
               const std::vector<std::string>& command, const std::function<void()>& work) {
    const test::InstructionCounter counter(folder);
    std::vector<std::string> words = counter.wrapper_within(function);
    words.insert(words.end(), command.begin(), command.end());
    const pid_t pid = fork();
    if (pid == 0) {
        const int out = open((folder + "/output").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(out, 1);
        dup2(out, 2);
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    // Repeat: nginx can miss a signal that arrives just before it waits for the next event.
    const auto stop = [pid] {
        for (int tries = 0; waitpid(pid, nullptr, WNOHANG) == 0; ++tries) {
            constexpr int kMostTries = 300;
            kill(pid, tries < kMostTries ? SIGTERM : SIGKILL);
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    };
    try {
        for (int tries = 0; !answers(port); ++tries) {
            constexpr int kMostTries = 400;
            if (tries == kMostTries) {
                throw std::runtime_error(command.front() + " does not answer: " + test::file_text(folder + "/output") +
                                         test::file_text(folder + "/start.log") +
                                         test::file_text(folder + "/error.log"));
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        work();
    } catch (...) {
        stop();
        throw;
    }
    stop();
    long total = 0;
    for (const std::uint64_t part : counter.parts()) total += static_cast<long>(part);
    return total;
}

// Counts only in `function`, which runs the rules of a request. The event loops of these servers look for more to read
// a varying number of times, and that costs more than a rule.
std::vector<long> by_difference(const Files& files, const std::vector<Visitor>& visitors, const std::string& function,
                                const std::function<std::string(const std::string&, int)>& config,
                                const std::function<std::vector<std::string>(const std::string&)>& command) {
    std::vector<long> out;
    for (const Visitor& visitor : visitors) {
        const auto cost = [&](int requests) {
            const Folder folder;
            const int port = test::free_port();
            write_files(folder.name(), files);
            std::ofstream(folder.name() + "/server.conf") << config(folder.name(), port);
            return whole_run(folder.name(), port, function, command(folder.name()),
                             [&] { ask(port, visitor, requests); });
        };
        const long few = cost(kFew);
        if (few == 0) throw std::runtime_error(command("").front() + " has no function " + function);
        out.push_back((cost(kMany) - few) / (kMany - kFew));
    }
    return out;
}

}  // namespace

std::vector<long> nginx_requests(const Files& files, const std::string& map, const std::string& rule,
                                 const std::vector<Visitor>& visitors) {
    const auto config = [&](const std::string& folder, int port) {
        return "daemon off;\nmaster_process off;\npid " + folder + "/pid;\nerror_log " + folder +
               "/error.log crit;\nevents { }\nhttp {\naccess_log off;\nkeepalive_requests 100000;\n"
               "map_hash_max_size 65536;\nmap_hash_bucket_size 128;\nclient_body_temp_path " +
               folder + "/t1;\nproxy_temp_path " + folder + "/t2;\nfastcgi_temp_path " + folder +
               "/t3;\nuwsgi_temp_path " + folder + "/t4;\nscgi_temp_path " + folder + "/t5;\n" + map +
               "\nserver {\nlisten 127.0.0.1:" + std::to_string(port) + " ssl;\nssl_certificate " + folder +
               "/server.pem;\nssl_certificate_key " + folder + "/server.pem;\nssl_client_certificate " + folder +
               "/client-cas.pem;\nssl_protocols TLSv1.3;\nssl_verify_client optional;\nssl_session_cache off;\nroot " +
               folder + "/htdocs;\nlocation /gate/ {\n" + rule + "\n}\n}\n}\n";
    };
    return by_difference(files, visitors, "ngx_http_core_rewrite_phase", config, [](const std::string& folder) {
        return std::vector<std::string>{"/usr/sbin/nginx", "-e", folder + "/start.log", "-c", folder + "/server.conf"};
    });
}

std::vector<long> haproxy_requests(const Files& files, const std::string& rule, const std::vector<Visitor>& visitors) {
    const auto config = [&](const std::string& folder, int port) {
        return "global\nnbthread 1\nmaxconn 100\nfd-hard-limit 1024\ndefaults\nmode http\ntimeout client 60s\ntimeout "
               "server 60s\ntimeout connect 5s\n"
               "frontend f\nbind 127.0.0.1:" +
               std::to_string(port) + " ssl crt " + folder + "/server.pem ca-file " + folder +
               "/client-cas.pem verify optional\n" + rule +
               "\nhttp-request return status 200 content-type text/plain string \"welcome\"\n";
    };
    return by_difference(files, visitors, "http_process_req_common", config, [](const std::string& folder) {
        return std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-C", folder, "-f", folder + "/server.conf"};
    });
}

}  // namespace bench
