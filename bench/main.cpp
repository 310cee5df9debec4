// `make bench`: the module's cost, beside that of alternatives in use. Prints its tables, and writes them as JSON and
// as Markdown. Usage: bench MODULE TOOL JSON-FILE [quick] [PART...]
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include "httpd_server.hpp"
#include "requests.hpp"
#include "running.hpp"
#include "world.hpp"

namespace bench {

namespace {

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

// What counts instructions, which do not depend on what else a machine does: each in a process of its own, and all at
// the same time. Their tables come one after another.
void run_together(Report& report, const std::vector<std::function<void(Report&)>>& counts) {
    struct Running {
        std::FILE* rows;
        pid_t pid;
    };
    std::vector<Running> all;
    std::fflush(stdout);
    for (const auto& count : counts) {
        std::FILE* const rows = std::tmpfile();
        if (rows == nullptr) throw std::runtime_error("no temporary file");
        all.push_back({rows, fork()});
        if (all.back().pid != 0) continue;
        Report own;
        int status = 1;
        try {
            if (std::freopen("/dev/null", "w", stdout) != nullptr) count(own);
            std::fputs(own.json().dump().c_str(), rows);
            status = 0;
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
        }
        std::fflush(nullptr);
        _exit(status);
    }
    bool is_whole = true;
    for (const auto& [rows, pid] : all) {
        int status = 0;
        is_whole = waitpid(pid, &status, 0) == pid && status == 0 && is_whole;
        std::rewind(rows);
        if (is_whole) report.add(Json::parse(rows));
        std::fclose(rows);
    }
    if (!is_whole) throw std::runtime_error("a part was not measured to its end");
}

void run(Report& report, const std::string& tool, bool quick, const std::vector<std::string>& parts) {
    const auto is_asked = [&parts](const char* part) {
        return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
    };
    Pki pki;
    const int large = quick ? 1000 : 1'000'000, medium = quick ? 1000 : 100'000;
    std::vector<std::function<void(Report&)>> counts;
    if (is_asked("requests")) counts.emplace_back([&](Report& own) { measure_requests(own, pki); });
    if (is_asked("connections")) counts.emplace_back([&](Report& own) { measure_connections(own, pki); });
    std::vector<int> sizes;
    if (is_asked("sizes")) sizes = {1, medium};
    // valgrind takes minutes to load so many identities: only where it is asked for by its name.
    if (!parts.empty() && is_asked("million")) sizes.push_back(large);
    if (!sizes.empty()) counts.emplace_back([&](Report& own) { measure_sizes(own, pki, sizes); });
    if (is_asked("peers")) counts.emplace_back([&](Report& own) { measure_peers(own, pki); });
    run_together(report, counts);
    if (is_asked("loading")) {
        measure_loading(report, pki, {medium, large});
        measure_check(report, pki, tool, large);
    }
    if (is_asked("reload")) measure_reload(report, pki, medium);
    if (is_asked("latency")) measure_latency(report, pki);
    if (is_asked("exchange")) measure_exchange(report, pki, medium, quick ? 2 : 6);
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    test::set_httpd_paths(test::find_httpd(argv[1]));
    const std::filesystem::path out = argv[3];
    std::vector<std::string> parts(argv + 4, argv + argc);
    const bool quick = std::erase(parts, "quick") > 0;
    bench::Report report;
    report.json()["machine"] = bench::machine();
    for (const auto& [what, value] : report.json()["machine"].items()) {
        std::printf("%s: %s\n", what.c_str(), value.dump().c_str());
    }
    try {
        bench::run(report, argv[2], quick, parts);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    std::ofstream(out) << report.json().dump(2) << '\n';
    std::ofstream(std::filesystem::path(out).replace_extension("md")) << report.markdown();
    return 0;
}
