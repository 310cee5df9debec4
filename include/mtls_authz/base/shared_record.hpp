// Small things that several processes write into memory that they share. Nothing here waits, and nothing is lost for
// good when a process is killed in the middle.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace mtls {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free,
              "shared between processes");

inline bool is_process_gone(std::int32_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

// Held by one process at a time; whoever dies with it has let go.
class ProcessLock {
public:
    // False where another thread or process holds it: come back later.
    bool try_lock() noexcept {
        const auto self = static_cast<std::int32_t>(getpid());
        std::int32_t owner = 0;
        while (!owner_.compare_exchange_strong(owner, self)) {
            if (owner != 0 && !is_process_gone(owner)) return false;
        }
        return true;
    }
    void unlock() noexcept { owner_.store(0); }

private:
    std::atomic<std::int32_t> owner_{0};
};

// Text of at most `kSize` bytes inside a record. What is longer is cut where a UTF-8 character begins.
template <std::size_t kSize>
class FixedText {
public:
    FixedText() = default;
    FixedText(std::string_view text) {
        std::size_t size = text.size();
        if (size > kSize) {
            size = kSize;
            while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
        }
        text.copy(bytes_.data(), size);
        size_ = static_cast<std::uint16_t>(size);
    }
    FixedText(const std::string& text) : FixedText(std::string_view(text)) {}
    std::string_view view() const { return {bytes_.data(), size_ < kSize ? size_ : kSize}; }
    std::string str() const { return std::string(view()); }

private:
    std::uint16_t size_ = 0;
    std::array<char, kSize> bytes_{};
};

// One value that many read and write, whole: a reader never sees the half of one and the half of another.
template <class T>
class SharedRecord {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    // False where somebody else is writing just now: that value stays.
    bool write(const T& value) noexcept {
        if (!lock_.try_lock()) return false;
        // Odd while it is written; perhaps already so, by one that was killed.
        const std::uint32_t version = version_.load(std::memory_order_relaxed) | 1U;
        version_.store(version, std::memory_order_relaxed);
        for (std::size_t i = 0; i < kWords; ++i) {
            const std::size_t at = i * sizeof(std::uint64_t);
            std::uint64_t word = 0;
            std::memcpy(&word, reinterpret_cast<const char*>(&value) + at, std::min(sizeof word, sizeof(T) - at));
            words_[i].store(word, std::memory_order_release);
        }
        version_.store(version + 1, std::memory_order_release);
        lock_.unlock();
        return true;
    }

    // Nothing where nothing was ever written, or only halves could be had.
    std::optional<T> read() const noexcept {
        constexpr int kTries = 100;
        for (int i = 0; i < kTries; ++i) {
            const std::uint32_t before = version_.load(std::memory_order_acquire);
            if (before == 0) return std::nullopt;
            std::array<std::uint64_t, kWords> words;
            for (std::size_t at = 0; at < kWords; ++at) words[at] = words_[at].load(std::memory_order_acquire);
            if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) continue;
            T value;
            std::memcpy(static_cast<void*>(&value), words.data(), sizeof(T));
            return value;
        }
        return std::nullopt;
    }

private:
    static constexpr std::size_t kWords = (sizeof(T) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
    ProcessLock lock_;
    std::atomic<std::uint32_t> version_{0};
    std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

}  // namespace mtls
