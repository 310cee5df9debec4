#include "mtls_authz/base/arena.hpp"

#include <algorithm>

namespace mtls {

std::string_view Arena::keep(std::string_view text) {
    if (text.empty()) return {};
    char* const out = static_cast<char*>(allocate(text.size(), 1));
    text.copy(out, text.size());
    return {out, text.size()};
}

void* Arena::allocate(std::size_t size, std::size_t alignment) {
    for (;;) {
        void* at = next_;
        std::size_t left = left_;
        if (at != nullptr && std::align(alignment, size, at, left) != nullptr) {
            char* const end = static_cast<char*>(at) + size;
            used_ += static_cast<std::size_t>(end - next_);
            next_ = end;
            left_ = left - size;
            return at;
        }
        if (!grow_) {
            add_block(size + alignment);
            continue;
        }
        const std::size_t more = grow_(size + alignment - left_);
        if (more == 0) throw Full();
        left_ += more;
    }
}

// The block size grows with the size of the arena: a small policy needs little memory, a large one few blocks.
void Arena::add_block(std::size_t least) {
    constexpr std::size_t kSmallest = 4096;
    constexpr std::size_t kLargest = 1UL << 20;
    const std::size_t size = std::max(least, std::clamp(used_ / 4, kSmallest, kLargest));
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    next_ = blocks_.back().get();
    left_ = size;
}

}  // namespace mtls
