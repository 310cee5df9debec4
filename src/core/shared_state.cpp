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

constexpr std::size_t kSayings = 256;
constexpr std::int64_t kSaidAgainAfter = 3600;

std::uint64_t key_of(std::string_view text) {
    std::uint64_t key = 0;
    std::memcpy(&key, sha256(text).data(), sizeof key);
    return std::max<std::uint64_t>(key, 1);
}

}  // namespace

struct SharedState::Layout {
    struct Saying {
        std::atomic<std::uint64_t> key;
        std::atomic<std::int64_t> time;
    };
    std::array<Saying, kSayings> sayings;
    std::atomic<std::uint64_t> moved_to;
    std::atomic<std::uint64_t> refuses;
};

std::unique_ptr<SharedState> SharedState::create() {
    void* const memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    return std::unique_ptr<SharedState>(new SharedState(new (memory) Layout{}));
}

SharedState::~SharedState() { munmap(layout_, sizeof(Layout)); }

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

bool SharedState::is_first_to_refuse(std::string_view digest) {
    const std::uint64_t key = key_of(digest);
    return layout_->refuses.exchange(key) != key;
}

bool SharedState::is_first_to_move_to(std::string_view generation) {
    const std::uint64_t key = key_of(generation);
    return layout_->moved_to.exchange(key) != key;
}

}  // namespace mtls
