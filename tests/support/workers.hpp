// Threads that do something to a server while a test looks on. What one of them throws fails the test, and not the
// program; and they end with the test, whatever ends it.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace test {

class Workers {
public:
    Workers() = default;
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers() {
        over_ = true;
        join_all();
    }

    void add(std::function<void()> work) {
        threads_.emplace_back([this, work = std::move(work)] {
            try {
                work();
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (first_ == nullptr) first_ = std::current_exception();
                over_ = true;
            }
        });
    }

    // Whether they are to end, or one of them has failed: whoever works or waits in a loop asks this.
    bool are_over() const { return over_; }

    // Waits until all have done their work, and throws what the first of them threw.
    void join() {
        join_all();
        if (first_ != nullptr) std::rethrow_exception(first_);
    }

    // The same for work without an end.
    void stop() {
        over_ = true;
        join();
    }

private:
    void join_all() {
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::exception_ptr first_;
    std::vector<std::thread> threads_;
};

}  // namespace test
