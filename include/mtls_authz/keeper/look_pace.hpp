// When files are looked at: again and again, and at once when the kernel tells of a change.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "mtls_authz/load/file_watch.hpp"

namespace mtls {

// Of one kind of files. A look is due `interval` after the one before; or each minute, if that is longer, where there
// are many files and the kernel tells all of their changes.
class LookPace {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kFew = 1000;  // files that are looked at after `interval` in any case

    // `pause`: before the second look after a change was seen.
    LookPace(std::chrono::milliseconds interval, std::chrono::milliseconds pause,
             std::chrono::milliseconds rarely = std::chrono::minutes(1))
        : interval_(interval), pause_(pause), rarely_(rarely) {}

    void begin_look();
    // `names`: files and patterns that what it saw depends on. `waits`: a second look has to see the same.
    void end_look(std::vector<std::string> names, bool waits);
    // Waits for a second, or `longest`. Returns whether a look is due.
    bool wait(std::chrono::milliseconds longest = std::chrono::seconds(1));
    // As of FileWatch.
    std::string take_fault() { return watch_.take_fault(); }

private:
    bool must_follow(const std::vector<std::string>& names, bool waits) const;

    std::chrono::milliseconds interval_, pause_, rarely_;
    FileWatch watch_;
    std::vector<std::string> names_;  // that it follows
    Clock::time_point begun_{}, followed_{};
    Clock::time_point due_{};   // the next look, if no change is reported
    Clock::time_point calm_{};  // a reported change brings the next look forward to this time at most
    bool is_told_ = true;
};

}  // namespace mtls
