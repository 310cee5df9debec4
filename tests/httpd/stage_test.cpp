// The demos leave nothing behind, however they end.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "claims.hpp"
#include "stage.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

namespace fs = std::filesystem;

// Starts a server, writes its process id and folder to `note`, and ends as `how` says; otherwise waits for a signal.
int story(const std::string& note, const std::string& how) {
    Site site;
    site.start(location("/gate", "MTLSAllow partner acme"));
    std::ofstream(note + ".new") << site.httpd.pid() << " " << site.httpd.root();
    fs::rename(note + ".new", note);
    if (how == "crash") std::abort();
    if (how == "throw") throw std::runtime_error("as it should be");
    if (how == "end") return 7;
    for (;;) pause();
}

struct Ended {
    int status;
    bool process_is_left, folder_is_left;
};

Ended run_story(const std::string& how, int signal) {
    Httpd folder(httpd_paths());  // for the note alone
    const std::string note = folder.path("note");
    const pid_t staging = fork();
    if (staging == 0) _exit(staged([&] { return story(note, how); }));
    for (int i = 0; i < 1200 && !fs::exists(note); ++i) pause_for(std::chrono::milliseconds(50));
    if (signal != 0) kill(staging, signal);
    int status = 0;
    waitpid(staging, &status, 0);
    pid_t server = 0;
    std::string root;
    std::ifstream(note) >> server >> root;
    CHECK(server > 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, kill(server, 0) == 0, fs::exists(root)};
}

}  // namespace

CLAIM(a_staged_program_leaves_no_server_and_no_folder_however_it_ends) {
    const struct {
        const char* how;
        int signal;
        int status;
    } rows[] = {{"wait", SIGTERM, 128 + SIGTERM},
                {"wait", SIGINT, 128 + SIGINT},
                {"wait", SIGHUP, 128 + SIGHUP},
                {"end", 0, 7},
                {"throw", 0, 1},
                {"crash", 0, 1}};
    for (const auto& row : rows) {
        const Ended ended = run_story(row.how, row.signal);
        CHECK_EQUAL(ended.status, row.status);
        CHECK(!ended.process_is_left);
        CHECK(!ended.folder_is_left);
    }
}
