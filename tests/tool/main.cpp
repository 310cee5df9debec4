// Tests of the command-line tool: tool_tests [--jobs N] MTLS-AUTHZ [NAME-PART...]
#include <cstdio>
#include <exception>
#include <filesystem>

#include "parallel_claims.hpp"
#include "tool.hpp"

namespace test {

std::string& tool_path() {
    static std::string it;
    return it;
}

}  // namespace test

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const unsigned jobs = test::take_jobs(words);
    if (jobs == 0 || words.empty()) {
        return std::fprintf(stderr, "usage: tool_tests [--jobs N] MTLS-AUTHZ [NAME-PART...]\n"), 2;
    }
    try {
        test::tool_path() = std::filesystem::absolute(words.front());
        return test::run_claims_in_parallel({words.begin() + 1, words.end()}, {test::Module::kEither}, jobs);
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 2;
    }
}
