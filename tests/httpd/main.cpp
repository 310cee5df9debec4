// Tests against a real httpd: httpd_tests [--jobs N] MODULE [NAME-PART|-NAME-PART...]
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "parallel_claims.hpp"
#include "world.hpp"

namespace {

// The number behind --jobs; 1 without, 0 where it is none.
unsigned take_jobs(std::vector<std::string>& words) {
    if (words.empty() || words.front() != "--jobs") return 1;
    unsigned jobs = 0;
    if (words.size() > 1) std::from_chars(words[1].data(), words[1].data() + words[1].size(), jobs);
    words.erase(words.begin(), words.begin() + (words.size() > 1 ? 2 : 1));
    return jobs;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const unsigned jobs = take_jobs(words);
    if (jobs == 0 || words.empty()) {
        return std::fprintf(stderr, "usage: httpd_tests [--jobs N] MODULE [NAME-PART|-NAME-PART...]\n"), 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        test::set_httpd_paths(test::find_httpd(std::filesystem::absolute(words.front())));
        test::world();  // its keys are made once, for all claims
        return test::run_claims_in_parallel({words.begin() + 1, words.end()}, jobs);
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 2;
    }
}
