
#include "parallel_claims.hpp"

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "own_mounts.hpp"

namespace test {

namespace {

constexpr unsigned kMostSeconds = 900;

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, CloseFile>;

struct Running {
    const Claim* claim;
    FilePtr output;
};

struct Failure {
    const Claim* claim;
    std::string output;
};

class Group {
public:
    explicit Group(std::vector<const Claim*> claims) : waiting_(std::move(claims)) {
        std::printf("[==========] Running %zu test(s).\n", waiting_.size());
        // Longest first; last those that must run alone.
        std::stable_sort(waiting_.begin(), waiting_.end(),
                         [](const Claim* a, const Claim* b) { return a->turn < b->turn; });
        count_ = waiting_.size();
    }

    int run(std::size_t jobs) {
        for (auto next = waiting_.begin(); next != waiting_.end() || !running_.empty();) {
            const bool wants_all = next != waiting_.end() && (*next)->turn == Turn::kAlone;
            const bool has_room = running_.size() < (wants_all || is_alone_ ? 1 : jobs);
            if (next != waiting_.end() && has_room) {
                is_alone_ = wants_all;
                begin(**next++);
            } else {
                end_one();
            }
        }
        return print_summary();
    }

private:
    void begin(const Claim& claim) {
        FilePtr output(std::tmpfile());
        if (!output) throw std::runtime_error("no temporary file");
        std::fflush(nullptr);
        const pid_t pid = fork();
        if (pid < 0) throw std::runtime_error("fork");
        if (pid == 0) {
            dup2(fileno(output.get()), STDOUT_FILENO);
            dup2(fileno(output.get()), STDERR_FILENO);
            alarm(kMostSeconds);
            own_mounts();
            const ClaimOutcome outcome = outcome_of(claim);
            std::printf("%s%s", outcome.why.c_str(), outcome.why.empty() ? "" : "\n");
            std::exit(static_cast<int>(outcome.kind));
        }
        running_.emplace(pid, Running{&claim, std::move(output)});
    }

    void end_one() {
        int status = 0;
        rusage used{};
        const auto found = running_.find(wait4(-1, &status, 0, &used));
        if (found == running_.end()) return;
        const Running& ended = found->second;
        std::printf("[ RUN      ] %s\n", ended.claim->name);
        std::rewind(ended.output.get());
        std::string output;
        char buffer[4096];
        for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, ended.output.get())) > 0;) {
            output.append(buffer, n);
        }
        if (WIFSIGNALED(status))
            output +=
                "ended by signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")\n";
        std::fwrite(output.data(), 1, output.size(), stdout);
        const auto milliseconds = [](const timeval& time) { return time.tv_sec * 1000 + time.tv_usec / 1000; };
        const bool is_skipped =
            WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(ClaimOutcome::Kind::kSkipped);
        std::printf("[  %s ] %s (%ld ms of a processor)\n",
                    status == 0  ? "     OK"
                    : is_skipped ? "SKIPPED"
                                 : "FAILED ",
                    ended.claim->name, milliseconds(used.ru_utime) + milliseconds(used.ru_stime));
        std::fflush(stdout);
        if (is_skipped) {
            skipped_.push_back(ended.claim);
        } else if (status != 0) {
            failed_.push_back({ended.claim, std::move(output)});
        }
        running_.erase(found);
    }

    int print_summary() const {
        std::printf("[==========] %zu test(s) run.\n[  PASSED  ] %zu test(s).\n", count_,
                    count_ - failed_.size() - skipped_.size());
        if (!skipped_.empty()) std::printf("[  SKIPPED ] %zu test(s), listed below:\n", skipped_.size());
        for (const Claim* const claim : skipped_) std::printf("[  SKIPPED ] %s\n", claim->name);
        if (failed_.empty()) return 0;
        std::printf("[  FAILED  ] %zu test(s), listed below:\n", failed_.size());
        // Repeat the end of each failure's output, so that the end of a long log suffices.
        constexpr std::size_t kMostOutput = 1500;
        for (const Failure& failure : failed_) {
            const std::string& output = failure.output;
            std::printf("%s[  FAILED  ] %s\n",
                        output.substr(output.size() - std::min(output.size(), kMostOutput)).c_str(),
                        failure.claim->name);
        }
        std::printf("\n %zu FAILED TEST(S)\n", failed_.size());
        constexpr std::size_t kMostExitStatus = 255;
        return static_cast<int>(std::min(failed_.size(), kMostExitStatus));
    }

    std::vector<const Claim*> waiting_;
    std::size_t count_ = 0;
    std::map<pid_t, Running> running_;
    bool is_alone_ = false;  // a Turn::kAlone claim is running
    std::vector<Failure> failed_;
    std::vector<const Claim*> skipped_;
};

}  // namespace

unsigned take_jobs(std::vector<std::string>& words) {
    if (words.empty() || words.front() != "--jobs") return 1;
    unsigned jobs = 0;
    if (words.size() > 1) std::from_chars(words[1].data(), words[1].data() + words[1].size(), jobs);
    words.erase(words.begin(), words.begin() + (words.size() > 1 ? 2 : 1));
    return jobs;
}

int run_claims_in_parallel(const std::vector<std::string>& filters, const std::set<Module>& modules, unsigned jobs) {
    std::vector<const Claim*> chosen;
    for (const Claim* const claim : choose_claims(filters)) {
        if (modules.contains(claim->module)) chosen.push_back(claim);
    }
    if (chosen.empty()) throw std::runtime_error("no test of this kind has such a name");
    return Group(std::move(chosen)).run(std::max(jobs, 1U));
}

}  // namespace test
