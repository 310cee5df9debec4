// A cache of verified paths. Whether certificates form a path depends only on their content, so the result can be
// reused. Dates and revocation are not cached; they are checked every time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/keyed_hash.hpp"
#include "mtls_authz/certificate/path_facts.hpp"

namespace mtls {

// A direct-mapped cache of fixed size: a new entry evicts the old one in its slot. Thread-safe.
class PathCache {
public:
    static constexpr std::size_t kSlots = 4096;

    struct Path {
        std::vector<std::uint16_t> links;  // above the leaf: indexes into the offered certificates
        PathFacts facts;                   // see PathAnswer
        std::vector<std::string> ca_ids;
    };
    // `question`: the key, a text of everything that the path depends on. Null if it is not cached.
    std::shared_ptr<const Path> find(std::string_view question) noexcept;
    void insert(std::string_view question, Path path);

private:
    struct Slot {
        std::string question;
        std::shared_ptr<const Path> path;
    };
    Slot& slot_of(std::string_view question) { return slots_[hash_(question) % kSlots]; }

    const KeyedHash hash_ = KeyedHash::random();
    std::mutex mutex_;
    std::array<Slot, kSlots> slots_;
};

}  // namespace mtls
