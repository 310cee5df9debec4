// Text, lists and pointers stored as distances from themselves, so that a policy can be mapped at any address. A copy
// points to the same memory: the caller makes sure that this memory outlives the copy.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mtls {

// A range of memory; checks that objects are inside of it.
class Bounds {
public:
    explicit Bounds(std::span<const char> memory) : begin_(number(memory.data())), size_(memory.size()) {}

    bool hold(const void* at, std::size_t size, std::size_t alignment) const {
        const std::uintptr_t from = number(at) - begin_;
        return number(at) % alignment == 0 && from <= size_ && size <= size_ - from;
    }
    // Whether everything that these parts point to is inside, recursively. Numbers point to nothing.
    template <class... Part>
    bool hold_all(const Part&... parts) const {
        return (hold_part(parts) && ...);
    }

private:
    static std::uintptr_t number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }
    template <class Part>
    bool hold_part(const Part& part) const {
        if constexpr (requires { part.is_inside(*this); }) {
            return part.is_inside(*this);
        } else if constexpr (requires { part.has_value(); }) {
            return !part.has_value() || hold_part(*part);
        } else {
            return true;
        }
    }

    std::uintptr_t begin_;
    std::size_t size_;
};

// A pointer to T, or null.
template <class T>
class Ptr {
public:
    Ptr() = default;
    Ptr(const T* to) { set(to); }
    Ptr(const Ptr& other) { set(other.get()); }
    Ptr& operator=(const Ptr& other) {
        set(other.get());
        return *this;
    }

    const T* get() const {
        if (distance_ == 0) return nullptr;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): a distance is a number
        return reinterpret_cast<const T*>(reinterpret_cast<std::uintptr_t>(this) + distance_);
    }
    operator const T*() const { return get(); }
    const T& operator*() const { return *get(); }
    const T* operator->() const { return get(); }
    // Checks only the address and size of the target; the owner of the target checks its content.
    bool is_inside(const Bounds& in) const { return distance_ == 0 || in.hold(get(), sizeof(T), alignof(T)); }

private:
    void set(const T* to) {
        distance_ = to == nullptr ? 0 : reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(this);
    }
    std::uintptr_t distance_ = 0;  // from this object, modulo the size of the address space
};

// Converts to std::span, as every contiguous range does.
template <class T>
class Span {
public:
    Span() = default;
    Span(std::span<const T> items) : first_(items.empty() ? nullptr : items.data()), size_(items.size()) {}

    const T* data() const { return first_.get(); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const T* begin() const { return data(); }
    const T* end() const { return data() + size_; }
    const T& operator[](std::size_t i) const { return data()[i]; }
    const T& front() const { return *data(); }
    const T& back() const { return data()[size_ - 1]; }

    bool is_inside(const Bounds& in) const {
        if (size_ == 0) return true;
        if (size_ > SIZE_MAX / sizeof(T) || !in.hold(data(), size_ * sizeof(T), alignof(T))) return false;
        if constexpr (requires(const T& item) { item.is_inside(in); }) {
            for (const T& item : *this) {
                if (!item.is_inside(in)) return false;
            }
        }
        return true;
    }

private:
    Ptr<T> first_;
    std::size_t size_ = 0;
};

class Text {
public:
    Text() = default;
    Text(std::string_view text) : bytes_(std::span(text.data(), text.size())) {}

    operator std::string_view() const { return view(); }
    std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    std::string_view substr(std::size_t from, std::size_t count = std::string_view::npos) const {
        return view().substr(from, count);
    }

    bool is_inside(const Bounds& in) const { return bytes_.is_inside(in); }

    friend bool operator==(const Text& a, const Text& b) { return a.view() == b.view(); }
    friend bool operator==(const Text& a, std::string_view b) { return a.view() == b; }
    friend auto operator<=>(const Text& a, const Text& b) { return a.view() <=> b.view(); }
    friend auto operator<=>(const Text& a, std::string_view b) { return a.view() <=> b; }

private:
    Span<char> bytes_;
};

}  // namespace mtls
