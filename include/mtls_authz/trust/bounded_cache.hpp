// A cache of fixed size for what many connections of a process share.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "mtls_authz/base/keyed_hash.hpp"

namespace mtls {

// Direct-mapped: a new entry evicts the old one in its slot. Thread-safe.
template <class T, std::size_t kSlots>
class BoundedCache {
public:
    // Null if there is no entry with exactly this key.
    std::shared_ptr<T> find(std::string_view key) noexcept {
        Slot& slot = slot_of(key);
        const std::lock_guard lock(mutex_);
        return slot.key == key ? slot.value : nullptr;
    }
    void insert(std::string key, std::shared_ptr<T> value) {
        Slot& slot = slot_of(key);
        const std::lock_guard lock(mutex_);
        slot.key.swap(key);
        slot.value.swap(value);  // freed by the caller, after the lock
    }

private:
    struct Slot {
        std::string key;
        std::shared_ptr<T> value;
    };
    Slot& slot_of(std::string_view key) noexcept { return slots_[hash_(key) % kSlots]; }

    const KeyedHash hash_ = KeyedHash::random();
    std::mutex mutex_;
    std::array<Slot, kSlots> slots_;
};

}  // namespace mtls
