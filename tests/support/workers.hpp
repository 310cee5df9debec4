// Threads that act on a server during a test. An exception in one fails the test, not the program; the destructor joins
// them.
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

    // Whether the threads must stop, or one has failed: loops check this.
    bool are_over() const { return over_; }

    // Waits for all threads, and rethrows the first exception.
    void join() {
        join_all();
        if (first_ != nullptr) std::rethrow_exception(first_);
    }

    // Stops endless threads, and does the same.
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
