// Counts a server's instructions under callgrind: unlike times, they are reproducible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test {

class InstructionCounter {
public:
    // Gives `folder` to the unprivileged user, under whom the server runs from its start: callgrind could not write its
    // counts after a change from root to another user.
    explicit InstructionCounter(std::string folder);

    // The prefix of the server's command line. The process keeps its id. `part_begins`: each call of this function
    // starts a new part, for its thread only; empty: one part.
    std::vector<std::string> wrapper(const std::string& part_begins = "ap_process_connection") const;
    // Counts in calls of this function, and in what it calls; in one part.
    std::vector<std::string> wrapper_within(const std::string& function) const;

    // Instructions of the parts, in order, without system calls and other processes; call it after the server has
    // stopped. The last part includes the stop, and the other threads.
    std::vector<std::uint64_t> parts() const { return sums("part: "); }
    // The same of each thread, that of the start first.
    std::vector<std::uint64_t> threads() const { return sums("thread: "); }

    // Of `count` parts, which `after` others follow: the median, and the least.
    static long median(const std::vector<std::uint64_t>& parts, std::size_t count, std::size_t after);
    static long least(const std::vector<std::uint64_t>& parts, std::size_t count, std::size_t after);

private:
    // `by`: the line of a file with the number that it counts for.
    std::vector<std::uint64_t> sums(const std::string& by) const;

    std::string folder_;
};

}  // namespace test
