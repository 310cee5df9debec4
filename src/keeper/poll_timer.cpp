#include "mtls_authz/keeper/poll_timer.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace mtls {

using std::chrono::milliseconds;

void PollTimer::begin_poll() {
    is_changed_ = watch_.forget() || is_changed_;
    started_ = Clock::now();
    due_ = started_ + interval_;
}

// Without a reported change and with equal names, the existing watches are still right.
bool PollTimer::must_follow(const std::vector<std::string>& names, bool waits) const {
    return is_changed_ || waits || names != names_ || (!watch_.is_complete() && started_ - followed_ >= rarely_);
}

void PollTimer::end_poll(std::vector<std::string> names, bool waits) {
    const Clock::duration took = Clock::now() - started_;
    bool is_new = false;
    if (must_follow(names, waits)) {
        is_new = watch_.follow(names);
        names_ = std::move(names);
        followed_ = started_;
    }
    const Clock::time_point now = Clock::now();
    const bool is_rare = watch_.is_complete() && names_.size() > kFew;
    due_ = now + (is_rare ? std::max(interval_, rarely_) : interval_);
    if (waits) due_ = now + std::min(pause_, interval_);
    // In folders with constant other changes, polls use at most a quarter of a processor.
    constexpr milliseconds kShortest{100}, kLongest{1000};
    calm_ = waits ? due_ : now + std::clamp<Clock::duration>(3 * took, kShortest, kLongest);
    is_changed_ = false;
    // Poll again at once: a change may have happened before the folder was watched.
    if (is_new && !waits) due_ = now;
}

bool PollTimer::wait() {
    constexpr milliseconds kLongest{1000}, kSettle{20};
    const auto next = [this] { return is_changed_ ? std::min(calm_, due_) : due_; };
    const auto left = std::chrono::ceil<milliseconds>(next() - Clock::now());
    const milliseconds most = std::clamp(left, milliseconds(0), kLongest);
    if (is_changed_) {
        std::this_thread::sleep_for(most);
    } else if (watch_.wait(most)) {
        is_changed_ = true;
        // A file is often written in several steps: let it settle.
        calm_ = std::max(calm_, Clock::now() + kSettle);
    }
    return Clock::now() >= next();
}

}  // namespace mtls
