#include "mtls_authz/keeper/look_pace.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace mtls {

using std::chrono::milliseconds;

void LookPace::begin_look() {
    is_told_ = watch_.forget() || is_told_;
    begun_ = Clock::now();
    due_ = begun_ + interval_;
}

// Without a reported change and with equal names, the existing watches are still right.
bool LookPace::must_follow(const std::vector<std::string>& names, bool waits) const {
    return is_told_ || waits || names != names_ || (!watch_.is_complete() && begun_ - followed_ >= rarely_);
}

void LookPace::end_look(std::vector<std::string> names, bool waits) {
    const Clock::duration took = Clock::now() - begun_;
    bool is_new = false;
    if (must_follow(names, waits)) {
        is_new = watch_.follow(names);
        names_ = std::move(names);
        followed_ = begun_;
    }
    const Clock::time_point now = Clock::now();
    const bool is_rare = watch_.is_complete() && names_.size() > kFew;
    due_ = now + (is_rare ? std::max(interval_, rarely_) : interval_);
    if (waits) due_ = now + std::min(pause_, interval_);
    // In folders with constant other changes, polls use at most a quarter of a processor.
    constexpr milliseconds kShortest{100}, kLongest{1000};
    calm_ = waits ? due_ : now + std::clamp<Clock::duration>(3 * took, kShortest, kLongest);
    is_told_ = false;
    // Poll again at once: a change may have happened before the folder was watched.
    if (is_new && !waits) due_ = now;
}

bool LookPace::wait() {
    constexpr milliseconds kLongest{1000}, kSettle{20};
    const auto next = [this] { return is_told_ ? std::min(calm_, due_) : due_; };
    const auto left = std::chrono::ceil<milliseconds>(next() - Clock::now());
    const milliseconds most = std::clamp(left, milliseconds(0), kLongest);
    if (is_told_) {
        std::this_thread::sleep_for(most);
    } else if (watch_.wait(most)) {
        is_told_ = true;
        // A file is often written in several steps: let it settle.
        calm_ = std::max(calm_, Clock::now() + kSettle);
    }
    return Clock::now() >= next();
}

}  // namespace mtls
