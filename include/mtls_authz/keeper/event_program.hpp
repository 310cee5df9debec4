// MTLSEventCmd: runs a program with one text on its standard input. The program cannot block, kill or crash the caller.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace mtls {

class EventProgram {
public:
    static constexpr std::chrono::seconds kLongest{10};

    // `command`: the program and its arguments, from the configuration.
    explicit EventProgram(std::vector<std::string> command) : command_(std::move(command)) {}

    // Runs the program until its process group has ended; kills the group after `longest`. The program gets `input`
    // as standard input and no other descriptor of this process; its output goes to /dev/null. It runs in its own
    // session and process group under a supervisor process, which kills it at the limit even if this process is gone.
    // `runner` holds the supervisor's process id meanwhile; if it holds an earlier one, run() waits for that first.
    // Returns the error, or "". Thread-safe for one call at a time. Requires SIGPIPE ignored and SIGCHLD not ignored.
    std::string run(const std::string& input, std::atomic<std::int32_t>& runner,
                    std::chrono::milliseconds longest = kLongest) const;

    // Returns why the program cannot be run, as far as this process can check, or "".
    std::string find_fault() const;

private:
    std::vector<std::string> command_;
};

}  // namespace mtls
