#include "running.hpp"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <numeric>
#include <thread>

#include "httpd_server.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "world.hpp"

namespace bench {

namespace {

struct Folder {
    explicit Folder(const Files& files) {
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        for (const auto& [file, content] : files.others) std::ofstream(name + "/" + file) << content;
    }
    ~Folder() { std::filesystem::remove_all(name); }
    std::string name = "/tmp/mtls-authz-bench-XXXXXX";
};

double processor_seconds(int who) {
    rusage usage{};
    getrusage(who, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

std::string identities_of(int n) { return count_of(n, "identity", "identities"); }

double percentile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void time_requests(test::TlsClient& client, std::vector<double>& out) {
    for (int i = 0; i < 500; ++i) {
        const auto start = std::chrono::steady_clock::now();
        if (client.get("/gate/orders/17").status != 200) throw std::runtime_error("not answered");
        out.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
}

// All of them at once.
double seconds_of(const std::vector<std::unique_ptr<test::TlsClient>>& clients) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::future<void>> running;
    for (const auto& client : clients) {
        running.push_back(std::async(std::launch::async, [&client] {
            std::vector<double> out;
            time_requests(*client, out);
        }));
    }
    for (auto& one : running) one.get();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Keeps this thread, and the processes that it starts meanwhile, on one processor. Otherwise the scheduler sometimes
// puts client and server on the same one, and that changes a request's time by more than the module does.
class OnProcessor {
public:
    explicit OnProcessor(unsigned number) {
        sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(number % std::thread::hardware_concurrency(), &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    ~OnProcessor() { sched_setaffinity(0, sizeof before_, &before_); }
    OnProcessor(const OnProcessor&) = delete;
    OnProcessor& operator=(const OnProcessor&) = delete;

private:
    cpu_set_t before_{};
};

// Keeps all processors from halting while it lives, by threads that run only where nothing else does. Waking a halted
// processor takes longer than a request, and a server with more to do halts less often.
class Awake {
public:
    Awake() {
        for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
            threads_.emplace_back([this, i] {
                const OnProcessor one(i);
                const sched_param none{};
                sched_setscheduler(0, SCHED_IDLE, &none);
                while (!is_over_) {
                }
            });
        }
    }
    ~Awake() {
        is_over_ = true;
        for (std::thread& thread : threads_) thread.join();
    }
    Awake(const Awake&) = delete;
    Awake& operator=(const Awake&) = delete;

private:
    std::atomic<bool> is_over_ = false;
    std::vector<std::thread> threads_;
};

constexpr int kRounds = 60;

std::string gate() { return std::string(kPolicy) + "<Location /gate/>\n" + kGate + "\n</Location>\n"; }

void replace_policy(test::Httpd& httpd, const std::string& text) {
    httpd.write(".partners.new", text);
    std::filesystem::rename(httpd.path(".partners.new"), httpd.path("partners.conf"));
}

// A partner that no client is: with it, a policy differs from the one before.
std::string marker(const std::string& name) {
    return "<MTLSPartner " + name + ">\n    MTLSTrustAnchor ca.pem\n    MTLSIdentity CN:" + name + "\n</MTLSPartner>\n";
}

}  // namespace

void measure_loading(Report& report, const Pki& pki, const std::vector<int>& sizes) {
    report.section("loading", "Loading a policy, one core");
    for (const int n : sizes) {
        const Folder folder(pki.files_with(policy_of(n)));
        malloc_trim(0);
        forget_peak();
        const long resident = test::resident_kib(getpid());
        const std::size_t used = mallinfo2().uordblks + mallinfo2().hblkhd;
        const double before = processor_seconds(RUSAGE_SELF);
        std::shared_ptr<const mtls::Policy> policy;
        {
            mtls::DiskFiles disk;
            mtls::PolicyBuilder builder(folder.name, disk);
            builder.add_files({folder.name + "/partners.conf", "partners.conf", {"bench", 1}});
            policy = builder.build();
        }
        const double spent = processor_seconds(RUSAGE_SELF) - before;
        const std::size_t kept = mallinfo2().uordblks + mallinfo2().hblkhd - used;
        report.row(identities_of(n) + ", processor time", spent, "s");
        report.row(identities_of(n) + ", peak of memory",
                   static_cast<double>(test::memory_kib(getpid(), "VmHWM") - resident) / 1024, "MiB");
        report.row(identities_of(n) + ", memory kept", static_cast<double>(kept) / n, "bytes an identity");
    }
}

void measure_check(Report& report, const Pki& pki, const std::string& tool, int identities) {
    const auto check = [&](const std::string& what, const std::string& policy) {
        const Folder folder(pki.files_with(policy));
        const double before = processor_seconds(RUSAGE_CHILDREN);
        const auto answer =
            test::run_command({tool, "check", "--root", folder.name, folder.name + "/partners.conf"}, "");
        if (answer.status > 1) throw std::runtime_error(answer.text);
        report.row("`mtls-authz check`, " + what, processor_seconds(RUSAGE_CHILDREN) - before, "s");
    };
    check(identities_of(identities), policy_of(identities));
    std::string grants;
    for (int i = 0; i < 1000; ++i) {
        grants += "    MTLSGrant read /orders/" + std::to_string(i) + "/** if O:\"Acme " + std::to_string(i) + "\"\n";
    }
    std::string policy = policy_of(1);
    check("1,000 conditional grants of one partner", policy.insert(policy.find("</"), grants));
}

void measure_reload(Report& report, const Pki& pki, int identities) {
    report.section("reload", "A live reload: 4 children, event");
    test::Httpd httpd(test::httpd_paths());
    write_files(httpd.root(), pki.files_with(policy_of(identities)));
    httpd.configure(
        "StartServers 4\nServerLimit 4\nMaxRequestWorkers 100\nThreadsPerChild 25\nMinSpareThreads 100\n"
        "MaxSpareThreads 100\n" +
        gate());
    httpd.start();
    std::this_thread::sleep_for(std::chrono::seconds(3));
    const long at_start = test::children_kib(httpd.pid());
    const auto start = std::chrono::steady_clock::now();
    replace_policy(httpd, policy_of(identities) + marker("other"));
    if (!httpd.wait_for_log("replaces")) throw std::runtime_error("no reload: " + httpd.error_log());
    const std::chrono::duration<double> until = std::chrono::steady_clock::now() - start;
    std::this_thread::sleep_for(std::chrono::seconds(5));
    report.row(identities_of(identities) + ", until it is in force", until.count(), "s");
    report.row("memory of all children before", at_start, "KiB");
    report.row("memory of all children after", test::children_kib(httpd.pid()), "KiB");
}

void measure_latency(Report& report, Pki& pki) {
    report.section("latency", "Times of a request beside the same server without the module");
    test::Httpd with(test::httpd_paths()), without(test::httpd_paths());
    write_files(with.root(), pki.files_with(policy_of(1000)));
    write_files(without.root(), pki.files());
    without.leave_out_module();
    with.set_log_level("emerg");
    without.set_log_level("emerg");
    // One process each: how connections are spread over several is chance.
    const std::string one = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 25\nThreadsPerChild 25\n";
    with.configure(one + gate());
    without.configure(one);
    {
        const OnProcessor servers(1);
        with.start();
        without.start();
    }
    test::ClientOptions options;
    options.identity = pki.client(cn_of(1));
    constexpr int kClients = 4;
    std::vector<std::unique_ptr<test::TlsClient>> gated, free;
    for (int i = 0; i < kClients; ++i) {
        gated.push_back(std::make_unique<test::TlsClient>(with.port(), options));
        free.push_back(std::make_unique<test::TlsClient>(without.port(), options));
    }
    // Each round has ratios of its own, and begins with the other server: the machine's speed changes from second to
    // second.
    std::vector<double> medians, tails, rates;
    const Awake awake;
    const OnProcessor clients(0);
    const auto times_of = [](test::TlsClient& client) {
        std::vector<double> out;
        time_requests(client, out);
        return out;
    };
    times_of(*gated[0]), times_of(*free[0]);
    for (int round = 0; round < kRounds; ++round) {
        const bool is_first = round % 2 == 0;
        std::vector<double> a = times_of(is_first ? *gated[0] : *free[0]),
                            b = times_of(is_first ? *free[0] : *gated[0]);
        if (!is_first) a.swap(b);
        medians.push_back(percentile(a, 0.5) / percentile(b, 0.5));
        tails.push_back(percentile(a, 0.99) / percentile(b, 0.99));
        double x = seconds_of(is_first ? gated : free), y = seconds_of(is_first ? free : gated);
        if (!is_first) std::swap(x, y);
        rates.push_back(y / x);
    }
    const auto add = [&](const std::string& what, const std::vector<double>& ratios) {
        report.row(what, percentile(ratios, 0.5), "times");
        report.row(what + ", a quarter of the rounds are below", percentile(ratios, 0.25), "times");
        report.row(what + ", a quarter are above", percentile(ratios, 0.75), "times");
    };
    add("time, median", medians);
    add("time, 99 of 100", tails);
    add("requests a second of " + std::to_string(kClients) + " clients at once", rates);
}

void measure_exchange(Report& report, Pki& pki, int partners, int rounds) {
    report.section("exchange", "The same while a policy of " + count_of(partners, "partner", "partners") +
                                   " is exchanged, beside the same server while none is");
    test::Httpd httpd(test::httpd_paths());
    write_files(httpd.root(), pki.files());
    const auto put = [&](int round) {
        replace_policy(httpd, partners_of(partners) + marker("round-" + std::to_string(round)));
    };
    put(0);
    httpd.set_log_level("warn mtls_authz:notice");
    httpd.configure(gate());
    httpd.start();
    test::ClientOptions options;
    options.identity = pki.client(cn_of(1));
    test::TlsClient client(httpd.port(), options);
    std::vector<double> quiet, busy;
    const auto time_for = [&client](std::vector<double>& out) {
        constexpr std::chrono::seconds kWindow{4};  // longer than an exchange
        const auto end = std::chrono::steady_clock::now() + kWindow;
        while (std::chrono::steady_clock::now() < end) time_requests(client, out);
    };
    const Awake awake;
    time_requests(client, quiet);
    quiet.clear();
    for (int round = 1; round <= rounds; ++round) {
        time_for(quiet);
        put(round);
        time_for(busy);
        if (!httpd.wait_for_log("round-" + std::to_string(round))) throw std::runtime_error("no exchange");
        std::this_thread::sleep_for(std::chrono::seconds(2));
    }
    for (const auto& [name, share] : {std::pair("median", 0.5), {"99 of 100", 0.99}, {"999 of 1,000", 0.999}}) {
        report.row(name, percentile(busy, share) / percentile(quiet, share), "times");
    }
}

}  // namespace bench
