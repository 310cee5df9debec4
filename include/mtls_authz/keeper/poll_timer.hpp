// When files are polled: at an interval, and soon after the kernel reports a change.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "mtls_authz/load/file_watch.hpp"

namespace mtls {

// For one kind of files. A poll is due `interval` after the previous one; or each `rarely`, if that is longer, where
// there are more than kFew files and the kernel reports all of their changes.
class PollTimer {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kFew = 1000;  // up to this many files are polled each `interval` in any case
    static constexpr std::chrono::milliseconds kPause{500};  // before the second poll after a change

    // `pause`: kPause, except in tests.
    PollTimer(std::chrono::milliseconds interval, std::chrono::milliseconds pause,
              std::chrono::milliseconds rarely = std::chrono::minutes(1))
        : interval_(interval), pause_(pause), rarely_(rarely) {}

    void begin_poll();
    // `names`: files and patterns that the poll read. `waits`: a change needs a second equal poll.
    void end_poll(std::vector<std::string> names, bool waits);
    // Waits at most `longest`. Returns whether a poll is due.
    bool wait(std::chrono::milliseconds longest = std::chrono::seconds(1));
    // As FileWatch::take_fault().
    std::string take_fault() { return watch_.take_fault(); }

private:
    bool must_follow(const std::vector<std::string>& names, bool waits) const;

    std::chrono::milliseconds interval_, pause_, rarely_;
    FileWatch watch_;
    std::vector<std::string> names_;  // that watch_ follows
    Clock::time_point started_{}, followed_{};
    Clock::time_point due_{};   // the next poll, if no change is reported
    Clock::time_point calm_{};  // the next poll after a reported change
    bool is_changed_ = true;
};

}  // namespace mtls
