// Which partners were seen, when, and with which certificate. Lives in memory that all processes share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/decision_counters.hpp"
#include "mtls_authz/shared_record.hpp"

namespace mtls {

// The certificate that a partner was last identified by.
struct Sighting {
    std::int64_t seen = 0;       // seconds since the epoch
    std::int64_t not_after = 0;  // of that certificate
    FixedText<160> subject;      // RFC 4514 text, as it stands in the certificate: not escaped
    FixedText<64> serial;
    FixedText<64> sha256;  // hex
};

// Gives the first kCountedPartners that are seen a number each, under which they are counted and remembered.
class Sightings {
public:
    static constexpr std::size_t kOthers = kCountedPartners;

    // `key`: partner_key() of the name. Neither waits nor allocates.
    std::size_t number_of(std::uint64_t key, std::string_view name) noexcept;
    // Nothing happens for kOthers.
    void see(std::size_t number, const Sighting& sighting) noexcept {
        if (number < kOthers) partners_[number].last.write(sighting);
    }

    struct Seen {
        std::size_t number;
        std::string name;
        std::optional<Sighting> last;
    };
    // In the order in which they were seen first.
    std::vector<Seen> all() const;

private:
    struct Partner {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<FixedText<64>> name;
        SharedRecord<Sighting> last;
    };
    static constexpr std::size_t kPlaces = 4096;
    std::atomic<std::uint32_t> taken_{0};
    std::array<std::atomic<std::uint32_t>, kPlaces> places_{};  // 0: free; else a number and 1
    std::array<Partner, kCountedPartners> partners_{};
};

// What a partner is found by: the beginning of the SHA-256 of its name, never 0.
std::uint64_t partner_key(std::string_view name);

}  // namespace mtls
