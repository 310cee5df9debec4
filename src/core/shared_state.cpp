#include "mtls_authz/shared_state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <new>

#include "mtls_authz/shared_record.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::size_t kGenerationSize = 16;
constexpr std::size_t kDigestSize = 32;
constexpr std::size_t kSayings = 256;
constexpr std::int64_t kSaidAgainAfter = 3600;
constexpr std::uint32_t kSlots = 2;

std::uint64_t key_of(std::string_view text) {
    std::uint64_t key = 0;
    std::memcpy(&key, sha256(text).data(), sizeof key);
    return std::max<std::uint64_t>(key, 1);
}

}  // namespace

struct SharedState::Layout {
    struct Slot {
        std::uint64_t size;
        char generation[kGenerationSize];
        char digest[kDigestSize];
    };
    struct Saying {
        std::atomic<std::uint64_t> key;
        std::atomic<std::int64_t> time;
    };
    std::size_t capacity;
    std::atomic<std::uint32_t> current;  // 0: none yet; else the slot's index and 1
    ProcessLock writing;
    std::array<Slot, kSlots> slots;
    std::array<Saying, kSayings> sayings;
    std::atomic<std::uint64_t> moved_to;
};

std::unique_ptr<SharedState> SharedState::create(std::size_t capacity) {
    const std::size_t size = sizeof(Layout) + kSlots * capacity;
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* const layout = new (memory) Layout{};
    layout->capacity = capacity;
    return std::unique_ptr<SharedState>(new SharedState(layout, size));
}

SharedState::~SharedState() { munmap(layout_, size_); }

char* SharedState::slot(std::uint32_t index) const {
    return reinterpret_cast<char*>(layout_) + sizeof(Layout) + index * layout_->capacity;
}

SharedState::Keeping SharedState::keep(std::string_view generation, std::string_view record) {
    if (generation.size() != kGenerationSize) return Keeping::kTooLarge;
    const bool fits = record.size() <= layout_->capacity;
    if (!layout_->writing.try_lock()) return Keeping::kBusy;
    const std::uint32_t next = layout_->current == 1 ? 1 : 0;
    Layout::Slot& header = layout_->slots[next];
    header.size = fits ? record.size() : SIZE_MAX;
    generation.copy(header.generation, kGenerationSize);
    sha256(record).copy(header.digest, kDigestSize);
    if (fits) record.copy(slot(next), record.size());
    layout_->current = next + 1;
    layout_->writing.unlock();
    return fits ? Keeping::kKept : Keeping::kTooLarge;
}

std::string SharedState::kept_generation() const {
    const std::uint32_t current = layout_->current;
    if (current == 0 || current > kSlots) return {};
    return {layout_->slots[current - 1].generation, kGenerationSize};
}

std::optional<std::string> SharedState::kept_record() const {
    // A writer may be at this very slot, two changes on: then the checksum fails, and the next one is complete.
    constexpr int kTries = 3;
    for (int i = 0; i < kTries; ++i) {
        const std::uint32_t current = layout_->current;
        if (current == 0 || current > kSlots) return std::nullopt;
        const Layout::Slot& header = layout_->slots[current - 1];
        if (header.size > layout_->capacity) continue;
        std::string record(slot(current - 1), header.size);
        if (sha256(record) == std::string_view(header.digest, kDigestSize)) return record;
    }
    return std::nullopt;
}

bool SharedState::is_first_to_say(std::string_view text, std::int64_t now) {
    const std::uint64_t key = key_of(text);
    for (std::size_t i = 0; i < kSayings; ++i) {
        Layout::Saying& saying = layout_->sayings[(key + i) % kSayings];
        std::uint64_t found = 0;
        const bool taken = saying.key.compare_exchange_strong(found, key);
        std::int64_t said = saying.time;
        if (taken) {
            saying.time = now;
            return true;
        }
        if (found != key) continue;
        const bool is_old = said != 0 && (now - said >= kSaidAgainAfter || now < said - kSaidAgainAfter);
        return is_old && saying.time.compare_exchange_strong(said, now);
    }
    // All places are taken: make room, and rather say something twice.
    for (Layout::Saying& saying : layout_->sayings) saying.key = 0;
    return true;
}

void SharedState::forget(std::string_view text) {
    const std::uint64_t key = key_of(text);
    for (Layout::Saying& saying : layout_->sayings) {
        std::uint64_t expected = key;
        saying.key.compare_exchange_strong(expected, 0);
    }
}

bool SharedState::is_first_to_move_to(std::string_view generation) {
    const std::uint64_t key = key_of(generation);
    return layout_->moved_to.exchange(key) != key;
}

}  // namespace mtls
