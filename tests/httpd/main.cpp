// Tests against a real httpd: httpd_tests [--jobs N] [--plain] MODULE [NAME-PART|@I/N|-NAME-PART...]
// --plain: only those that are marked Module::kPlain.
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "parallel_claims.hpp"
#include "world.hpp"

namespace {

// Removes the next word if it is this option; returns whether it was.
bool take(std::vector<std::string>& words, const std::string& option) {
    const bool is_next = !words.empty() && words.front() == option;
    if (is_next) words.erase(words.begin());
    return is_next;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const unsigned jobs = test::take_jobs(words);
    std::set<test::Module> modules = {test::Module::kPlain};
    if (!take(words, "--plain")) modules.insert(test::Module::kEither);
    if (jobs == 0 || words.empty()) {
        return std::fprintf(stderr, "usage: httpd_tests [--jobs N] [--plain] MODULE [NAME-PART|@I/N|-NAME-PART...]\n"),
               2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        test::set_httpd_paths(test::find_httpd(std::filesystem::absolute(words.front())));
        if (test::httpd_paths().is_sanitized()) modules.erase(test::Module::kPlain);
        test::world();  // its keys are made once, for all claims
        return test::run_claims_in_parallel({words.begin() + 1, words.end()}, modules, jobs);
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 2;
    }
}
