// Tests of the command-line tool: tool_tests MTLS-AUTHZ [NAME-PART...]
#include <cstdio>
#include <exception>
#include <filesystem>

#include "claims.hpp"
#include "tool.hpp"

namespace test {

std::string& tool_path() {
    static std::string it;
    return it;
}

}  // namespace test

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: tool_tests MTLS-AUTHZ [NAME-PART...]\n"), 2;
    try {
        test::tool_path() = std::filesystem::absolute(argv[1]);
        return test::run_claims("tool", {argv + 2, argv + argc});
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 2;
    }
}
