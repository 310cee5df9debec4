// Dates that administrators write: RFC 3339 full-date or date-time, without fractions of a second.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls {

constexpr std::int64_t kHour = 3600;  // in seconds
constexpr std::int64_t kDay = 24 * kHour;

enum class DateEdge { kFrom, kUntil };

// Seconds since the epoch, compared inclusively. A bare date means its first second (kFrom) or its last second
// (kUntil), in UTC: "until=2027-03-31" includes all of that day.
Result<std::int64_t> parse_date(std::string_view text, DateEdge edge);

// "2027-03-31T23:59:59Z"; "unknown" outside of the years 0000 to 9999.
std::string format_time(std::int64_t seconds);

// timegm() and gmtime_r() for 64-bit seconds: a time_t of 32 bits ends in 2038. Fields must be in range, the year below
// 32768; tm_wday and tm_yday are neither read nor set.
std::int64_t seconds_of(const std::tm& utc);
std::tm utc_of(std::int64_t seconds);

// Passed instead of the current time: every date condition holds.
constexpr std::int64_t kAnyTime = INT64_MIN;

// A closed interval of time; an absent end is unbounded.
struct TimeWindow {
    std::optional<std::int64_t> from;
    std::optional<std::int64_t> until;

    bool contains(std::int64_t now) const {
        return now == kAnyTime || ((!from || *from <= now) && (!until || now <= *until));
    }
    bool unbounded() const { return !from && !until; }
    // "begins 2027-01-15T00:00:00Z" or "ended 2026-03-31T23:59:59Z"; "" if it contains `now`.
    std::string objection(std::int64_t now) const;
    // Why it contains no instant; "" if it does.
    std::string fault() const;
};

// Seconds of CLOCK_MONOTONIC, the same in all processes.
std::int64_t monotonic_seconds();

}  // namespace mtls
