// Limits repeated log lines: the first ones in full, then one count per minute. In memory that all processes share, so
// that the limit holds for the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/shared_record.hpp"

namespace mtls {

// Mixes `part` into `key`. A collision of two kinds only merges their counts.
std::uint64_t mixed(std::uint64_t key, std::uint64_t part) noexcept;
std::uint64_t mixed(std::uint64_t key, std::string_view part) noexcept;

class LogLimiter {
public:
    static constexpr std::uint32_t kInFull = 60;  // lines of one kind in one minute
    static constexpr std::int64_t kWindowSeconds = 60;

    // A kind of line. `key`, made by mixed(), identifies it; `about` is shown with a count.
    struct Kind {
        std::string_view about;
        std::uint64_t key = 0;
        int level = 0;  // log level, returned with the count
    };
    // Returns whether to write the line; else counts it. With too many kinds at a time, all further kinds share one
    // count.
    bool admits(const Kind& kind, std::int64_t now) noexcept;
    // The same for a kind that already has an entry, by its key; nullopt if it has none.
    std::optional<bool> admits_existing(std::uint64_t key, std::int64_t now) noexcept;

    struct LeftOut {
        std::string about;
        int level = 0;
        std::uint32_t count = 0;
        std::int64_t since = 0;  // seconds since the epoch
    };
    // Returns the counts of minutes that are over, each once, to one process.
    std::vector<LeftOut> take_left_out(std::int64_t now);

private:
    // Start of a minute and number of its lines; packed in one atomic, so that no line is lost.
    struct Minute {
        std::uint32_t since;  // seconds since the epoch
        std::uint32_t seen;

        bool is_over(std::int64_t now) const { return now - since >= kWindowSeconds || now < since - kWindowSeconds; }
        bool has_left_out() const { return seen > kInFull; }
    };
    struct Entry {
        std::atomic<std::uint64_t> key{0};
        std::atomic<std::uint64_t> minute{0};
        struct Label {
            FixedText<200> about;
            int level = 0;
        };
        SharedRecord<Label> label;
    };
    static constexpr std::size_t kEntries = 1024;
    static constexpr std::size_t kNeighbours = 8;
    // First of the kNeighbours entries where this key may be stored.
    static std::size_t first_of(std::uint64_t key) noexcept { return key % (kEntries / kNeighbours) * kNeighbours; }
    Entry* find(std::uint64_t key) noexcept;
    Entry& entry_of(const Kind& kind, std::int64_t now) noexcept;
    bool admits_at(Entry& entry, std::int64_t now) noexcept;
    std::atomic<bool> has_left_out_{false};  // else take_left_out() does not scan the entries
    std::array<Entry, kEntries> entries_{};
    Entry others_;
};

}  // namespace mtls
