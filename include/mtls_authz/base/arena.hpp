// Memory that things are only ever added to, and that goes as a whole: what a policy lies in. It is the process's own,
// or of a file that several processes map (image.hpp).
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

// What holds an address of its own has no business in an arena: it may be mapped elsewhere.
template <class T>
constexpr bool is_relative = !std::is_pointer_v<T> && !std::is_same_v<T, std::string_view>;
template <class T>
constexpr bool is_relative<std::span<T>> = false;

class Arena {
public:
    class Full : public std::bad_alloc {};

    Arena() = default;  // of the heap
    // Gets usable so many more bytes of it, or more; returns how many, or 0.
    using Grow = std::function<std::size_t(std::size_t)>;
    // Of `memory`, which has to outlive what lies in it, and of which nothing is usable yet. Where no more of it can be
    // had, Full is thrown.
    Arena(std::span<char> memory, Grow grow) : next_(memory.data()), grow_(std::move(grow)) {}

    // Leaves out so many bytes.
    void skip(std::size_t size) { allocate(size, 1); }

    std::string_view keep(std::string_view text);

    // Nothing that lies here is ever destroyed.
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

    // Bytes from the beginning, gaps included.
    std::size_t used() const { return used_; }

private:
    void* allocate(std::size_t size, std::size_t alignment);
    void add_block(std::size_t least);

    std::vector<std::unique_ptr<char[]>> blocks_;
    char* next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t used_ = 0;
    Grow grow_;  // none: of the heap
};

}  // namespace mtls
