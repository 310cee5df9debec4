// Memory that things are only ever added to, and that goes as a whole: what a policy lies in. It is the process's own,
// or a piece that several processes share at the same address.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtls {

class Arena {
public:
    class Full : public std::bad_alloc {};

    Arena() = default;  // of the heap
    // Of `memory`, which has to outlive what lies in it. Where it does not suffice, Full is thrown.
    explicit Arena(std::span<char> memory) : next_(memory.data()), left_(memory.size()), is_fixed_(true) {}

    Arena(Arena&&) = default;
    Arena& operator=(Arena&&) = default;

    std::string_view keep(std::string_view text);

    // Nothing that lies here is ever destroyed, and whoever else looks at it has not made it.
    template <class T>
    std::span<const T> keep(std::span<const T> items) {
        static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
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
    bool is_fixed_ = false;
};

}  // namespace mtls
