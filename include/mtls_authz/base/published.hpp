// One immutable value with many reader threads and one writer. Up to 256 readers at a time neither block nor write a
// cache line that other readers use: each occupies its own slot while it reads, and one more waits for a free slot. The
// writer frees a replaced value once no slot can refer to it.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "mtls_authz/system/this_thread.hpp"

namespace mtls {

template <class T>
class Published {
    // One cache line each.
    struct alignas(64) ReaderSlot {
        std::atomic<std::uint64_t> epoch{0};  // 0: free; else the epoch at which its reader started
        // The value it reads, once loaded; the Published itself if nothing is published. Null before that, and when
        // free.
        std::atomic<const void*> value{nullptr};
    };

public:
    // A reference to the value that was current at construction; may be empty. That value is not freed during the life
    // of the Reader, which should be short.
    class Reader {
    public:
        Reader() = default;
        ~Reader() {
            if (slot_ == nullptr) return;
            slot_->value.store(nullptr, std::memory_order_relaxed);
            slot_->epoch.store(0, std::memory_order_release);
        }
        Reader(Reader&& other) noexcept
            : owner_(other.owner_),
              slot_(std::exchange(other.slot_, nullptr)),
              value_(std::exchange(other.value_, nullptr)) {}
        Reader& operator=(Reader&& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(slot_, other.slot_);
            std::swap(value_, other.value_);
            return *this;
        }

        explicit operator bool() const { return value_ != nullptr; }
        const T* operator->() const { return value_; }
        const T& operator*() const { return *value_; }

        // For data kept outside of the value and reached through a shared pointer: call it after that pointer was
        // replaced. Frees the old data once no current Reader can still use it.
        void retire(std::shared_ptr<const void> replaced) const { owner_->retire(std::move(replaced)); }

    private:
        friend class Published;
        Reader(Published* owner, ReaderSlot* slot, const T* value) : owner_(owner), slot_(slot), value_(value) {}
        Published* owner_ = nullptr;
        ReaderSlot* slot_ = nullptr;
        const T* value_ = nullptr;
    };

    Published() = default;
    ~Published() { delete current_.load(); }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;

    // Callable from any thread.
    Reader read() noexcept {
        const std::uint64_t epoch = epoch_.load();
        ReaderSlot& slot = occupy_slot(epoch);
        // Loaded after the slot was occupied: this value is not freed while the slot is in use.
        const T* const value = current_.load();
        // A slot that names its value keeps only that value alive, not every later one, however long the Reader lives.
        slot.value.store(value != nullptr ? static_cast<const void*>(value) : this, std::memory_order_release);
        return Reader(this, &slot, value);
    }

    // The writer's functions: one thread at a time.
    void publish(std::unique_ptr<const T> next) {
        const T* const before = current_.exchange(next.release());
        const std::uint64_t epoch = epoch_.fetch_add(1);
        if (before != nullptr) retired_.emplace_back(epoch, std::unique_ptr<const T>(before));
        reclaim();
    }
    // Frees the replaced values that no Reader uses any more.
    void reclaim() {
        std::erase_if(retired_, [this](const auto& retired) { return !is_in_use(retired.first, *retired.second); });
        take_garbage();
    }

private:
    using Garbage = std::pair<std::uint64_t, std::shared_ptr<const void>>;

    // Whether a Reader may still use `value`, which was replaced at `epoch`.
    bool is_in_use(std::uint64_t epoch, const T& value) const {
        for (const ReaderSlot& slot : slots_) {
            const std::uint64_t began = slot.epoch.load();
            if (began == 0) continue;
            const void* const in_slot = slot.value.load(std::memory_order_acquire);
            if (in_slot == nullptr ? began <= epoch : in_slot == &value) return true;
        }
        return false;
    }

    std::uint64_t oldest_reader_epoch() const {
        std::uint64_t oldest = UINT64_MAX;
        for (const ReaderSlot& slot : slots_) {
            const std::uint64_t epoch = slot.epoch.load();
            if (epoch != 0 && epoch < oldest) oldest = epoch;
        }
        return oldest;
    }

    // Callable from any thread that has a Reader. Without memory, the old data is never freed: others may use it.
    void retire(std::shared_ptr<const void> replaced) {
        const std::uint64_t epoch = epoch_.fetch_add(1);
        try {
            const std::lock_guard lock(garbage_mutex_);
            garbage_.emplace_back(epoch, std::move(replaced));
        } catch (const std::bad_alloc&) {
            union NeverDestroyed {
                std::shared_ptr<const void> value;
                ~NeverDestroyed() {}
            };
            [[maybe_unused]] const NeverDestroyed kept{std::move(replaced)};
            throw;
        }
        take_garbage();
    }

    // Returns the garbage, so that it is freed after the lock was released.
    std::vector<Garbage> take_garbage() {
        std::vector<Garbage> taken;
        const std::lock_guard lock(garbage_mutex_);
        const std::uint64_t oldest = oldest_reader_epoch();
        std::erase_if(garbage_, [&](Garbage& garbage) {
            if (garbage.first >= oldest) return false;
            taken.push_back(std::move(garbage));
            return true;
        });
        return taken;
    }

    ReaderSlot& occupy_slot(std::uint64_t epoch) noexcept {
        for (std::size_t at = (thread_number() * kGoldenRatio) >> kShift;; at = (at + 1) % kSlots) {
            std::uint64_t free = 0;
            if (slots_[at].epoch.compare_exchange_strong(free, epoch)) return slots_[at];
            if (at == kSlots - 1) sched_yield();
        }
    }

    static constexpr std::size_t kSlots = 256;  // concurrent readers
    static constexpr int kShift = 64 - 8;
    std::array<ReaderSlot, kSlots> slots_;
    std::atomic<const T*> current_{nullptr};
    std::atomic<std::uint64_t> epoch_{1};
    std::vector<std::pair<std::uint64_t, std::unique_ptr<const T>>> retired_;
    std::mutex garbage_mutex_;
    std::vector<Garbage> garbage_;
};

// A value computed on first use, by one of the threads that use it. A copy computes its own.
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
