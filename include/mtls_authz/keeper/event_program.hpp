// MTLSEventCmd: a program that is handed one text on its standard input. Whatever it does harms nothing here.
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

    // A program and its arguments, from the configuration.
    explicit EventProgram(std::vector<std::string> command) : command_(std::move(command)) {}

    // Runs it to its end, with everything that it started: after `longest` all of them are ended. It has `input` as
    // standard input, and no other descriptor of this process; what it prints goes nowhere. It runs in a session and a
    // process group of its own, below a process that ends it even where this one is gone; `runner` has that process's
    // id meanwhile, and where it has one of before, this waits for it. Returns what was wrong, or "". Any thread may
    // call it, one at a time; SIGPIPE has to be ignored, and SIGCHLD not.
    std::string run(const std::string& input, std::atomic<std::int32_t>& runner,
                    std::chrono::milliseconds longest = kLongest) const;

    // Why it cannot be run, as far as this process can tell; or "".
    std::string find_fault() const;

private:
    std::vector<std::string> command_;
};

}  // namespace mtls
