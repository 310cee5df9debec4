// Append-only memory that is freed as a whole; a policy is allocated in one. The memory is private to the process, or a
// file that several processes map (image.hpp).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtls {

// An arena may be mapped at another address in each process: a value in it must not contain an absolute address.
template <class T>
constexpr bool is_relative = !std::is_pointer_v<T> && !std::is_same_v<T, std::string_view>;
template <class T>
constexpr bool is_relative<std::span<T>> = false;

class Arena {
public:
    class Full : public std::bad_alloc {};

    Arena() = default;  // allocates blocks on the heap
    // Makes at least `least` more bytes usable; returns how many, or 0 when there are no more.
    using Grow = std::function<std::size_t(std::size_t)>;
    // Allocates from `memory`, which must outlive all values in it; none of it is usable before the first `grow`.
    // Throws Full when `grow` returns 0.
    Arena(std::span<char> memory, Grow grow) : next_(memory.data()), grow_(std::move(grow)) {}

    // Reserves `size` bytes without writing them.
    void skip(std::size_t size) { allocate(size, 1); }

    std::string_view keep(std::string_view text);

    // The items are never destroyed.
    template <class T>
    std::span<const T> keep(std::span<const T> items) {
        static_assert(std::is_trivially_destructible_v<T> && is_relative<T>);
        if (items.empty()) return {};
        T* const out = static_cast<T*>(allocate(items.size_bytes(), alignof(T)));
        std::uninitialized_copy(items.begin(), items.end(), out);
        return {out, items.size()};
    }
    template <class T>
    std::span<const T> keep(const std::vector<T>& items) {
        return keep(std::span<const T>(items));
    }
    template <class T>
    const T* keep_one(const T& item) {
        return keep(std::span<const T>(&item, 1)).data();
    }

    // Bytes from the beginning, including alignment gaps.
    std::size_t used() const { return used_; }

private:
    void* allocate(std::size_t size, std::size_t alignment);
    void add_block(std::size_t least);

    std::vector<std::unique_ptr<char[]>> blocks_;
    char* next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t used_ = 0;
    Grow grow_;  // empty: heap blocks
};

}  // namespace mtls
