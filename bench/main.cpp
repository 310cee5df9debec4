// `make bench`: the module's cost, compared with alternatives in use. Prints one table, and writes it as JSON. Usage:
// bench MODULE JSON-FILE [quick]
#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "httpd_server.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "servers.hpp"
#include "tls_client.hpp"
#include "world.hpp"

using Json = nlohmann::ordered_json;

namespace bench {

namespace {

std::string numbered(const char* format, int n) {
    char out[80];
    std::snprintf(out, sizeof out, format, n);
    return out;
}
std::string cn_of(int n) { return numbered("client-%07d", n); }

class Pki {
public:
    Pki() : ca_(test::make_ca("Bench CA")) {
        test::CertSpec spec;
        spec.subject = {{"CN", "localhost"}};
        spec.san = {{GEN_DNS, "localhost"}};
        spec.eku = "serverAuth";
        server_ = test::issue(spec, nullptr);
    }
    // A certificate with only a name, which all servers can compare.
    const test::Identity* client(const std::string& cn) {
        auto& client = clients_[cn];
        if (!client) {
            test::CertSpec spec;
            spec.subject = {{"CN", cn}};
            spec.san = {{GEN_DNS, cn + ".partners.example"}};
            client = std::make_unique<test::Identity>(test::issue(spec, &ca_));
        }
        return client.get();
    }
    Files files() const { return {server_.pem(), ca_.cert_pem(), {{"ca.pem", ca_.cert_pem()}}}; }

private:
    test::Identity ca_, server_;
    std::map<std::string, std::unique_ptr<test::Identity>> clients_;
};

// Ten identities per partner.
std::string policy_of(int identities) {
    constexpr int kEach = 10;
    std::string out;
    for (int i = 0; i < identities; ++i) {
        if (i % kEach == 0) out += numbered("<MTLSPartner partner-%06d>\n    MTLSTrustAnchor ca.pem\n", i / kEach);
        out += "    MTLSIdentity DNS:" + cn_of(i) + ".partners.example\n";
        if (i % kEach == kEach - 1 || i + 1 == identities) out += "</MTLSPartner>\n";
    }
    return out;
}

std::string partners_of(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        out += numbered("<MTLSPartner partner-%06d>\n    MTLSTrustAnchor ca.pem\n", i) +
               "    MTLSIdentity DNS:" + cn_of(i) + ".partners.example\n</MTLSPartner>\n";
    }
    return out;
}

// All names, each between `before` and `after`.
std::string names(int count, const std::string& before, const std::string& after) {
    std::string out;
    for (int i = 0; i < count; ++i) out += before + cn_of(i) + after;
    return out;
}

std::string list(int count, const std::string& quote) {
    std::string out = names(count, quote, quote + ", ");
    out.resize(out.size() - 2);
    return out;
}

class Report {
public:
    void section(const std::string& title) { std::printf("\n%s\n", title.c_str()); }
    void row(const std::string& section, const std::string& what, Json value, const std::string& unit) {
        const std::string shown = value.is_number_float() ? numbered_float(value) : value.dump();
        std::printf("  %-58s %14s %s\n", what.c_str(), shown.c_str(), unit.c_str());
        std::fflush(stdout);
        json_[section].push_back({{"what", what}, {"value", std::move(value)}, {"unit", unit}});
    }
    Json& json() { return json_; }
    // The same as Markdown tables, for docs/performance.md.
    std::string markdown() const {
        std::string out;
        for (const auto& [section, rows] : json_.items()) {
            if (!rows.is_array()) continue;
            out += "\n" + section + "\n\n|  | |\n|---|---|\n";
            for (const Json& row : rows) {
                const Json& value = row["value"];
                const std::string shown = value.is_number_float() ? numbered_float(value) : with_commas(value.dump());
                out += "| " + row["what"].get<std::string>() + " | " + shown + " " + row["unit"].get<std::string>() +
                       " |\n";
            }
        }
        return out;
    }
    static std::string with_commas(const std::string& digits) {
        std::string out;
        for (std::size_t i = 0; i < digits.size(); ++i) {
            if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
            out += digits[i];
        }
        return out;
    }

private:
    static std::string numbered_float(const Json& value) {
        char out[40];
        std::snprintf(out, sizeof out, "%.3f", value.get<double>());
        return out;
    }
    Json json_;
};

class Bench {
public:
    Bench(Report& report, bool quick) : report_(report), quick_(quick) {}

    void requests() {
        report_.section("Instructions that a rule adds to a kept-alive request (TLS 1.3, HTTP/1.1)");
        const long granted = without_module("Require all granted", fits(0));
        const long denied = without_module("Require all denied", misses());
        row("httpd without the module, granted (not added)", granted);
        row("httpd without the module, denied (not added)", denied);
        for (const int n : sizes()) module_rows(n, granted, denied);
        row("MTLSAllow any-partner with MTLSStatus, 1,000 identities, first", with_status() - granted);
        row("MTLSAllow by-grant, 1,000 identities, first", by_grant("/gate/**", {"17"}) - granted);
        row("MTLSAllow by-grant, 1,000 identities, first, two grants by turns",
            by_grant("/gate/orders/17 /gate/orders/18", {"17", "18"}) - granted);
        for (const int n : {1, 1000, 10000}) {
            const std::string rule = n == 1 ? "Require expr %{SSL_CLIENT_S_DN_CN} == '" + cn_of(0) + "'"
                                            : "Require expr %{SSL_CLIENT_S_DN_CN} in { " + list(n, "'") + " }";
            row("Require expr, " + count(n) + ", first (httpd begins with the last)", httpd_with(rule) - granted);
        }
        row("SSLRequire, 1,000 names, first",
            httpd_with("SSLRequire %{SSL_CLIENT_S_DN_CN} in { " + list(1000, "\"") + " }") - granted);
        row("AuthGroupFile, 1,000 names, last", group_file(1000) - granted);
        peers();
    }

    void peers() {
        for (const int n : {1, 10000}) nginx_row(n);
        for (const int n : {1, 10000}) haproxy_rows(n);
    }

    void connections() {
        report_.section("Instructions that a rule adds to a new connection with one request");
        const Connections without = httpd_connections(pki_.files(), "", "Require all granted", false, fits(0));
        connection_row("handshake and request without the module (not added)", without.full);
        connection_row("the same, resumed (not added)", without.resumed);
        const int n = sizes().back();
        const Connections with = httpd_connections(with_policy(n), kQuietPolicy, kGate, true, fits(n - 1));
        connection_row("the module, " + identities(n) + ", full handshake", with.full - without.full);
        connection_row("the module, " + identities(n) + ", resumed", with.resumed - without.resumed);
        report_.row("connections", "share of a full handshake",
                    100.0 * static_cast<double>(with.full - without.full) / static_cast<double>(without.full), "%");
    }

    void loading() {
        report_.section("Loading a policy");
        for (const int n : sizes()) {
            const Folder folder(pki_.files(), policy_of(n));
            rusage before{}, after{};
            malloc_trim(0);
            const std::size_t used = mallinfo2().uordblks + mallinfo2().hblkhd;
            getrusage(RUSAGE_SELF, &before);
            std::shared_ptr<const mtls::Policy> policy;
            {
                mtls::DiskFiles disk;
                mtls::PolicyBuilder builder(folder.name, disk);
                builder.add_files({folder.name + "/partners.conf", "partners.conf", {"bench", 1}});
                policy = builder.build();
            }
            getrusage(RUSAGE_SELF, &after);
            const auto seconds = [](const timeval& t) {
                return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
            };
            const double spent =
                seconds(after.ru_utime) - seconds(before.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_stime);
            const std::size_t kept = mallinfo2().uordblks + mallinfo2().hblkhd - used;
            report_.row("loading", identities(n) + ", processor time", spent, "s");
            report_.row("loading", identities(n) + ", memory kept", static_cast<double>(kept) / n, "bytes/identity");
        }
    }

    void reload() {
        report_.section("A live reload: 4 children, event MPM");
        const int n = quick_ ? 1000 : 100000;
        test::Httpd httpd(test::httpd_paths());
        write_files(httpd.root(), with_policy(n));
        httpd.configure(
            "StartServers 4\nServerLimit 4\nMaxRequestWorkers 100\nThreadsPerChild 25\nMinSpareThreads 100\n"
            "MaxSpareThreads 100\n" +
            std::string(kPolicy) + "<Location /gate/>\n" + kGate + "\n</Location>\n");
        httpd.start();
        std::this_thread::sleep_for(std::chrono::seconds(3));
        const long at_start = test::children_kib(httpd.pid());
        const auto start = std::chrono::steady_clock::now();
        httpd.write(".partners.new", policy_of(n) +
                                         "# changed\n<MTLSPartner other>\n    MTLSTrustAnchor ca.pem\n"
                                         "    MTLSIdentity CN:other\n</MTLSPartner>\n");
        std::filesystem::rename(httpd.path(".partners.new"), httpd.path("partners.conf"));
        if (!httpd.wait_for_log("replaces")) throw std::runtime_error("no reload: " + httpd.error_log());
        const std::chrono::duration<double> first = std::chrono::steady_clock::now() - start;
        std::this_thread::sleep_for(std::chrono::seconds(5));
        report_.row("reload", identities(n) + ", until the first child has it", first.count(), "s");
        report_.row("reload", "memory of all children before", at_start, "KiB");
        report_.row("reload", "memory of all children after", test::children_kib(httpd.pid()), "KiB");
    }

    void latency() {
        report_.section("Beside the same server without rules, in turn, one keep-alive client");
        test::Httpd with(test::httpd_paths()), without(test::httpd_paths());
        write_files(with.root(), with_policy(1000));
        write_files(without.root(), pki_.files());
        without.leave_out_module();
        with.set_log_level("emerg");
        without.set_log_level("emerg");
        with.configure(std::string(kPolicy) + "<Location /gate/>\n" + kGate + "\n</Location>\n");
        without.configure("");
        with.start();
        without.start();
        test::ClientOptions options;
        options.identity = pki_.client(cn_of(1));
        test::TlsClient a(with.port(), options), b(without.port(), options);
        std::vector<double> gated, free;
        for (int round = 0; round < 20; ++round) {
            time_requests(a, gated);
            time_requests(b, free);
        }
        const auto ratio = [&](double share) { return percentile(gated, share) / percentile(free, share); };
        report_.row("latency", "median", ratio(0.5), "x");
        report_.row("latency", "99 of 100", ratio(0.99), "x");
        const auto sum = [](const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); };
        report_.row("latency", "throughput", sum(free) / sum(gated), "x");
    }

    // Times the same connection, alternating between quiet and while a new policy is loaded.
    void exchange() {
        report_.section("While a policy is exchanged, beside the same server while none is, in turn");
        const int partners = quick_ ? 1000 : 100000;
        test::Httpd httpd(test::httpd_paths());
        write_files(httpd.root(), pki_.files());
        const auto put = [&](int round) {
            httpd.write(".partners.new", partners_of(partners) + "<MTLSPartner round-" + std::to_string(round) +
                                             ">\n MTLSTrustAnchor ca.pem\n MTLSIdentity CN:x\n</MTLSPartner>\n");
            std::filesystem::rename(httpd.path(".partners.new"), httpd.path("partners.conf"));
        };
        put(0);
        httpd.set_log_level("warn mtls_authz:notice");
        httpd.configure(std::string(kPolicy) + "<Location /gate/>\n" + kGate + "\n</Location>\n");
        httpd.start();
        test::ClientOptions options;
        options.identity = pki_.client(cn_of(1));
        test::TlsClient client(httpd.port(), options);
        std::vector<double> quiet, busy;
        constexpr std::chrono::seconds kWindow{4};  // longer than an exchange
        time_requests(client, quiet);
        quiet.clear();
        for (int round = 1; round <= (quick_ ? 3 : 10); ++round) {
            time_requests_for(kWindow, client, quiet);
            put(round);
            time_requests_for(kWindow, client, busy);
            if (!httpd.wait_for_log("round-" + std::to_string(round))) throw std::runtime_error("no exchange");
            std::this_thread::sleep_for(std::chrono::seconds(2));
        }
        for (const auto& [name, share] : {std::pair("median", 0.5), {"99 of 100", 0.99}, {"999 of 1,000", 0.999}}) {
            report_.row("exchange", name, percentile(busy, share) / percentile(quiet, share), "x");
        }
    }

private:
    static constexpr const char* kPolicy = "MTLSPolicyFile partners.conf\n";
    // Without polling: its cost is not part of a request's.
    static constexpr const char* kQuietPolicy = "MTLSPolicyFile partners.conf\nMTLSPolicyRefresh 0\n";
    static constexpr const char* kGate = "Require all granted\nMTLSAllow any-partner";

    struct Folder {
        Folder(const Files& files, const std::string& policy) {
            if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
            std::ofstream(name + "/partners.conf") << policy;
            for (const auto& [file, content] : files.others) std::ofstream(name + "/" + file) << content;
        }
        ~Folder() { std::filesystem::remove_all(name); }
        std::string name = "/tmp/mtls-authz-bench-XXXXXX";
    };

    std::vector<int> sizes() const {
        return quick_ ? std::vector<int>{1, 1000} : std::vector<int>{1, 1000, 100000, 1000000};
    }
    Visitor fits(int n) { return {pki_.client(cn_of(n)), 200}; }
    Visitor misses() { return {pki_.client("nobody"), 403}; }
    static std::string count(int n) { return n == 1 ? "1 name" : grouped(n) + " names"; }
    static std::string identities(int n) { return n == 1 ? "1 identity" : grouped(n) + " identities"; }
    static std::string grouped(int n) { return Report::with_commas(std::to_string(n)); }
    void row(const std::string& what, long value) { report_.row("requests", what, value, "instructions"); }
    void connection_row(const std::string& what, long value) {
        report_.row("connections", what, value, "instructions");
    }

    Files with_policy(int n) const {
        Files files = pki_.files();
        files.others.emplace_back("partners.conf", policy_of(n));
        return files;
    }

    // The median of several runs: all other figures are differences to it.
    long without_module(const std::string& gate, const Visitor& visitor) {
        constexpr std::size_t kTimes = 5;
        const auto cost = httpd_requests(pki_.files(), "", gate, false, std::vector(kTimes, visitor));
        return static_cast<long>(percentile({cost.begin(), cost.end()}, 0.5));
    }

    void module_rows(int n, long granted, long denied) {
        std::vector<Visitor> visitors = {fits(0)};
        if (n > 1) visitors.insert(visitors.end(), {fits(n / 2), fits(n - 1)});
        visitors.push_back(misses());
        const auto cost = httpd_requests(with_policy(n), kQuietPolicy, kGate, true, visitors);
        const char* const places[] = {"first", "middle", "last"};
        for (std::size_t i = 0; i + 1 < cost.size(); ++i) {
            row("MTLSAllow any-partner, " + identities(n) + ", " + places[i], cost[i] - granted);
        }
        row("MTLSAllow any-partner, " + identities(n) + ", miss", cost.back() - denied);
    }

    // MTLSStatus makes the module time decisions.
    long with_status() {
        const std::string gate = std::string(kGate) + "\nMTLSStatus On";
        return httpd_requests(with_policy(1000), kQuietPolicy, gate, true, {fits(0)}).front();
    }

    long by_grant(const std::string& granted, const std::vector<std::string>& orders) {
        Files files = pki_.files();
        files.others.emplace_back("partners.conf", policy_of(1000) + "MTLSGrant read " + granted + "\n");
        Visitor visitor = fits(0);
        visitor.pages.clear();
        for (const std::string& order : orders) visitor.pages.push_back("/gate/orders/" + order);
        const std::string gate = "Require all granted\nMTLSAllow by-grant";
        return httpd_requests(files, kQuietPolicy, gate, true, {visitor}).front();
    }

    long httpd_with(const std::string& rule) {
        return httpd_requests(pki_.files(), "", rule, false, {fits(0)}).front();
    }

    long group_file(int n) {
        Files files = pki_.files();
        // The hash of FakeBasicAuth's "password".
        files.others.emplace_back("users", names(n, "/CN=", ":xxj31ZMTZzkVA\n"));
        files.others.emplace_back("groups", "partners:" + names(n, " /CN=", "") + "\n");
        const std::string rule =
            "SSLOptions +FakeBasicAuth\nAuthType Basic\nAuthName x\nAuthBasicProvider file\nAuthUserFile users\n"
            "AuthGroupFile groups\nRequire group partners";
        return httpd_requests(files, "", rule, false, {fits(n - 1)}).front();
    }

    void nginx_row(int n) {
        const std::string map = "map $ssl_client_s_dn $partner {\ndefault \"\";\n" + names(n, "\"CN=", "\" p;\n") + "}";
        const long without = nginx_requests(pki_.files(), "", "", {fits(n - 1)}).front();
        const long with =
            nginx_requests(pki_.files(), map, "if ($partner = \"\") { return 403; }", {fits(n - 1)}).front();
        row("nginx map, " + count(n) + ", last", with - without);
    }

    void haproxy_rows(int n) {
        Files files = pki_.files();
        files.others.emplace_back("names.acl", names(n, "", "\n"));
        files.others.emplace_back("names.map", names(n, "", " p\n"));
        const long without = haproxy_requests(files, "", {fits(n - 1)}).front();
        const long acl =
            haproxy_requests(files, "http-request deny unless { ssl_c_s_dn(cn) -f names.acl }", {fits(n - 1)}).front();
        const long map = haproxy_requests(files,
                                          "http-request set-var(txn.partner) ssl_c_s_dn(cn),map(names.map)\n"
                                          "http-request deny unless { var(txn.partner) -m found }",
                                          {fits(n - 1)})
                             .front();
        row("HAProxy ACL, " + count(n) + ", last", acl - without);
        row("HAProxy map, " + count(n) + ", last", map - without);
    }

    static void time_requests(test::TlsClient& client, std::vector<double>& out) {
        for (int i = 0; i < 500; ++i) {
            const auto start = std::chrono::steady_clock::now();
            if (client.get("/gate/orders/17").status != 200) throw std::runtime_error("not answered");
            out.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
    }
    static void time_requests_for(std::chrono::seconds time, test::TlsClient& client, std::vector<double>& out) {
        const auto end = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < end) time_requests(client, out);
    }
    static double percentile(std::vector<double> values, double share) {
        std::sort(values.begin(), values.end());
        return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
    }

    Report& report_;
    bool quick_;
    Pki pki_;
};

std::string first_line(const std::vector<std::string>& command) {
    const std::string text = test::run_command(command, "").text;
    return text.substr(0, text.find('\n'));
}

Json machine() {
    utsname name{};
    uname(&name);
    std::string processor;
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line) && processor.empty();) {
        if (line.starts_with("model name")) processor = line.substr(line.find(':') + 2);
    }
    return {{"processor", processor},
            {"cores", std::thread::hardware_concurrency()},
            {"kernel", name.release},
            {"httpd", first_line({test::httpd_paths().binary, "-v"})},
            {"openssl", first_line({"openssl", "version"})},
            {"nginx", first_line({"/usr/sbin/nginx", "-v"})},
            {"haproxy", first_line({"/usr/sbin/haproxy", "-v"})},
            {"valgrind", first_line({"valgrind", "--version"})}};
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    test::set_httpd_paths(test::find_httpd(argv[1]));
    bench::Report report;
    report.json()["machine"] = bench::machine();
    for (const auto& [what, value] : report.json()["machine"].items())
        std::printf("%s: %s\n", what.c_str(), value.dump().c_str());
    const std::vector<std::string> words(argv + 3, argv + argc);  // "quick", and the parts to run; default: all
    const auto has_word = [&words](const char* word) {
        return std::find(words.begin(), words.end(), word) != words.end();
    };
    bench::Bench bench(report, has_word("quick"));
    const bool all = words.size() == (has_word("quick") ? 1U : 0U);
    try {
        if (all || has_word("loading")) bench.loading();
        if (all || has_word("latency")) bench.latency();
        if (all || has_word("exchange")) bench.exchange();
        if (all || has_word("reload")) bench.reload();
        if (all || has_word("requests")) bench.requests();
        if (all || has_word("connections")) bench.connections();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    std::ofstream(argv[2]) << report.json().dump(2) << '\n';
    std::ofstream(std::filesystem::path(argv[2]).replace_extension("md")) << report.markdown();
    return 0;
}
