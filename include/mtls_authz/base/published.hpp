// One immutable value that many threads read and one replaces. Readers neither wait nor write what other readers read:
// each marks a place of its own for as long as it looks, and the writer frees a value once nobody can still look at it.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "mtls_authz/system/this_thread.hpp"

namespace mtls {

template <class T>
class Published {
    // A cache line each.
    struct alignas(64) Place {
        std::atomic<std::uint64_t> epoch{0};      // 0: free; else when its reader began to look
        std::atomic<const void*> value{nullptr};  // what it looks at, once it knows; null before, and when free
    };

public:
    // Looks at the value that was current when it was made; may see none. Short-lived: what it sees is not freed
    // before.
    class Reader {
    public:
        Reader() = default;
        ~Reader() {
            if (place_ == nullptr) return;
            place_->value.store(nullptr, std::memory_order_relaxed);
            place_->epoch.store(0, std::memory_order_release);
        }
        Reader(Reader&& other) noexcept
            : owner_(other.owner_),
              place_(std::exchange(other.place_, nullptr)),
              value_(std::exchange(other.value_, nullptr)) {}
        Reader& operator=(Reader&& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(place_, other.place_);
            std::swap(value_, other.value_);
            return *this;
        }

        explicit operator bool() const { return value_ != nullptr; }
        const T* operator->() const { return value_; }
        const T& operator*() const { return *value_; }

        // For whoever keeps something beside the value that others find through a pointer, and has just replaced that
        // pointer: frees what it pointed to once nobody who looks now does any more.
        void retire(std::shared_ptr<const void> replaced) const { owner_->retire(std::move(replaced)); }

    private:
        friend class Published;
        Reader(Published* owner, Place* place, const T* value) : owner_(owner), place_(place), value_(value) {}
        Published* owner_ = nullptr;
        Place* place_ = nullptr;
        const T* value_ = nullptr;
    };

    Published() = default;
    ~Published() { delete current_.load(); }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;

    // From any thread.
    Reader read() noexcept {
        const std::uint64_t epoch = epoch_.load();
        Place& place = take_place(epoch);
        // After the place is marked: whatever is read now is not freed while it is.
        const T* const value = current_.load();
        // Whoever looks for hours holds that one, not all that come after it.
        place.value.store(value != nullptr ? static_cast<const void*>(value) : this, std::memory_order_release);
        return Reader(this, &place, value);
    }

    // The writer's functions: one thread at a time.
    void publish(std::unique_ptr<const T> next) {
        const T* const before = current_.exchange(next.release());
        const std::uint64_t epoch = epoch_.fetch_add(1);
        if (before != nullptr) retired_.emplace_back(epoch, std::unique_ptr<const T>(before));
        reclaim();
    }
    // Frees what nobody looks at any more.
    void reclaim() {
        std::erase_if(retired_, [this](const auto& retired) { return !is_looked_at(retired.first, *retired.second); });
        take_garbage();
    }

private:
    using Garbage = std::pair<std::uint64_t, std::shared_ptr<const void>>;

    // Whether a value that was replaced at `epoch` still is.
    bool is_looked_at(std::uint64_t epoch, const T& value) const {
        for (const Place& place : places_) {
            const std::uint64_t began = place.epoch.load();
            if (began == 0) continue;
            const void* const known = place.value.load(std::memory_order_acquire);
            if (known == nullptr ? began <= epoch : known == &value) return true;
        }
        return false;
    }

    std::uint64_t oldest_look() const {
        std::uint64_t oldest = UINT64_MAX;
        for (const Place& place : places_) {
            const std::uint64_t epoch = place.epoch.load();
            if (epoch != 0 && epoch < oldest) oldest = epoch;
        }
        return oldest;
    }

    // From any thread that looks.
    void retire(std::shared_ptr<const void> replaced) {
        const std::uint64_t epoch = epoch_.fetch_add(1);
        {
            const std::lock_guard lock(garbage_mutex_);
            garbage_.emplace_back(epoch, std::move(replaced));
        }
        take_garbage();
    }

    // What is taken is freed after the lock is let go.
    std::vector<Garbage> take_garbage() {
        std::vector<Garbage> taken;
        const std::lock_guard lock(garbage_mutex_);
        const std::uint64_t oldest = oldest_look();
        std::erase_if(garbage_, [&](Garbage& garbage) {
            if (garbage.first >= oldest) return false;
            taken.push_back(std::move(garbage));
            return true;
        });
        return taken;
    }

    Place& take_place(std::uint64_t epoch) noexcept {
        for (std::size_t at = (thread_number() * kGoldenRatio) >> kShift;; at = (at + 1) % kPlaces) {
            std::uint64_t free = 0;
            if (places_[at].epoch.compare_exchange_strong(free, epoch)) return places_[at];
            if (at == kPlaces - 1) sched_yield();
        }
    }

    static constexpr std::size_t kPlaces = 256;  // threads that look at the same moment
    static constexpr int kShift = 64 - 8;
    std::array<Place, kPlaces> places_;
    std::atomic<const T*> current_{nullptr};
    std::atomic<std::uint64_t> epoch_{1};
    std::vector<std::pair<std::uint64_t, std::unique_ptr<const T>>> retired_;
    std::mutex garbage_mutex_;
    std::vector<Garbage> garbage_;
};

// A value that is made when it is asked for first, by one of the threads that ask. A copy makes its own.
template <class T>
class MadeOnce {
public:
    MadeOnce() = default;
    MadeOnce(const MadeOnce&) {}
    MadeOnce& operator=(const MadeOnce&) {
        delete value_.exchange(nullptr);
        return *this;
    }
    ~MadeOnce() { delete value_.load(); }

    template <class Make>
    const T& get(Make make) const {
        if (const T* const made = value_.load(std::memory_order_acquire)) return *made;
        auto mine = std::make_unique<const T>(make());
        const T* theirs = nullptr;
        return value_.compare_exchange_strong(theirs, mine.get()) ? *mine.release() : *theirs;
    }

private:
    mutable std::atomic<const T*> value_{nullptr};
};

}  // namespace mtls
