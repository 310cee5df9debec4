// Counts the instructions that a server spends on what is done to it: they repeat where seconds do not. The server runs
// under callgrind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test {

class InstructionCounter {
public:
    // `folder` is handed to the unprivileged user, as whom the server runs from its start: callgrind could not write
    // its counts after the server has changed from root to another user.
    explicit InstructionCounter(std::string folder);

    // What goes in front of the server's command line. The process keeps its id. `part_begins`: each call of this
    // function begins a part of its own, of its thread alone; empty: all is one part.
    std::vector<std::string> wrapper(const std::string& part_begins = "ap_process_connection") const;

    // What the parts cost, in their order, system calls and other processes not counted; after the server has stopped.
    // The last holds the stop, and whatever other threads did all the while.
    std::vector<std::uint64_t> parts() const;

private:
    std::string folder_;
};

}  // namespace test
