// Paths that this process has verified before: the same certificates come again, and whether they make a path depends
// on nothing but their content. (On dates it does, and on revocation: these are asked every time.)
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

// Of fixed size: what is new takes the place of something old. Thread-safe.
class PathMemory {
public:
    static constexpr std::size_t kPlaces = 4096;

    struct Path {
        std::vector<std::uint16_t> links;  // above the leaf: numbers among the certificates that were offered
        PathFacts facts;                   // as in PathAnswer
        std::vector<std::string> ca_ids;
    };
    // `question`: all that was asked, in one text. Null where it is not known.
    std::shared_ptr<const Path> find(std::string_view question) noexcept;
    void remember(std::string_view question, Path path);

private:
    struct Place {
        std::string question;
        std::shared_ptr<const Path> path;
    };
    Place& place_of(std::string_view question) { return places_[hash_(question) % kPlaces]; }

    const KeyedHash hash_ = KeyedHash::random();
    std::mutex mutex_;
    std::array<Place, kPlaces> places_;
};

}  // namespace mtls
