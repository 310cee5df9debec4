// Keeps a sentence from filling the log: the first ones in full, then a count each minute. Lives in memory that all
// processes share, so that they keep count together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/shared_record.hpp"

namespace mtls {

// A key that depends on another one and a part more. Whoever makes two kinds collide only shares their count.
std::uint64_t mixed(std::uint64_t key, std::uint64_t part) noexcept;
std::uint64_t mixed(std::uint64_t key, std::string_view part) noexcept;

class LogLimiter {
public:
    static constexpr std::uint32_t kInFull = 60;  // lines of one kind in one minute
    static constexpr std::int64_t kWindowSeconds = 60;

    // What lines have in common. `about` is shown where a count is reported; `key`, by mixed(), alone tells kinds
    // apart.
    struct Kind {
        std::string_view about;
        std::uint64_t key = 0;
        int level = 0;  // given back with the count
    };
    // Whether the line is to be written; else it is counted. Where too many kinds are about, all the others share one.
    bool admits(const Kind& kind, std::int64_t now) noexcept;
    // The same for a kind that was there before, by its key alone; nothing where it was not.
    std::optional<bool> admits_known(std::uint64_t key, std::int64_t now) noexcept;

    struct LeftOut {
        std::string about;
        int level = 0;
        std::uint32_t count = 0;
        std::int64_t since = 0;  // seconds since the epoch
    };
    // The counts of minutes that are over; each is given out once, to one process.
    std::vector<LeftOut> take_left_out(std::int64_t now);

private:
    // A minute that began, and how many lines it has seen: changed together, so that none is lost.
    struct Minute {
        std::uint32_t since;  // seconds since the epoch
        std::uint32_t seen;

        bool is_over(std::int64_t now) const { return now - since >= kWindowSeconds || now < since - kWindowSeconds; }
        bool has_left_out() const { return seen > kInFull; }
    };
    struct Place {
        std::atomic<std::uint64_t> key{0};
        std::atomic<std::uint64_t> minute{0};
        struct Label {
            FixedText<200> about;
            int level = 0;
        };
        SharedRecord<Label> label;
    };
    static constexpr std::size_t kPlaces = 1024;
    static constexpr std::size_t kNeighbours = 8;
    // Where a key may stand: from here on, kNeighbours places.
    static std::size_t first_of(std::uint64_t key) noexcept { return key % (kPlaces / kNeighbours) * kNeighbours; }
    Place* find(std::uint64_t key) noexcept;
    Place& place_of(const Kind& kind, std::int64_t now) noexcept;
    bool admits_at(Place& place, std::int64_t now) noexcept;
    std::atomic<bool> has_left_out_{false};  // somewhere, perhaps: else nobody looks through all places
    std::array<Place, kPlaces> places_{};
    Place others_;
};

}  // namespace mtls
