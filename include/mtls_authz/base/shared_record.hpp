// Small values that several processes write into shared memory. Nothing here blocks, and a process that is killed
// during a write leaves no permanent damage.
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

// A lock that one process owns at a time. The lock of a process that ended counts as released.
class ProcessLock {
public:
    // False if another thread or process owns it: the caller tries again later.
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

// Text of at most `kSize` bytes inside a record. Longer text is cut at the beginning of a UTF-8 character.
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

// One value with many readers and writers: a reader never sees parts of two writes.
template <class T>
class SharedRecord {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    // False if another write is in progress: the value is not changed.
    bool write(const T& value) noexcept {
        if (!lock_.try_lock()) return false;
        // Odd during a write. It may be odd already, if the last writer was killed.
        const std::uint32_t version = version_.load(std::memory_order_relaxed) | 1U;
        version_.store(version, std::memory_order_relaxed);
        const auto* const bytes = reinterpret_cast<const char*>(&value);
        for (std::size_t i = 0; i < kWords; ++i) {
            std::uint64_t word = 0;
            const bool is_whole = (i + 1) * sizeof word <= sizeof(T);
            std::memcpy(&word, bytes + i * sizeof word, is_whole ? sizeof word : sizeof(T) % sizeof word);
            words_[i].store(word, std::memory_order_release);
        }
        version_.store(version + 1, std::memory_order_release);
        lock_.unlock();
        return true;
    }

    // Empty if nothing was written yet, or if every attempt overlapped with a write.
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
