// Tests against a real httpd: httpd_tests MODULE [NAME-PART...]
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "claims.hpp"
#include "world.hpp"

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: httpd_tests MODULE [NAME-PART...]\n"), 2;
    std::signal(SIGPIPE, SIG_IGN);
    try {
        test::set_httpd_paths(test::find_httpd(std::filesystem::absolute(argv[1])));
        return test::run_claims("httpd", {argv + 2, argv + argc});
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 2;
    }
}
