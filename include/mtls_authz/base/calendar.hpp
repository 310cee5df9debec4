// Dates that administrators write: RFC 3339 full-date or date-time, without fractions of a second.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class DateEdge { kFrom, kUntil };

// Seconds since the epoch, to be compared inclusively. A bare date is its first second (kFrom) or its last one
// (kUntil), in UTC: "until=2027-03-31" includes all of that day.
Result<std::int64_t> parse_date(std::string_view text, DateEdge edge);

// "2027-03-31T23:59:59Z"; "unknown" outside of the years 0000 to 9999.
std::string format_time(std::int64_t seconds);

// As timegm() and gmtime_r(), whatever a time_t holds: 32 bits of it end in 2038, and certificates later. Fields in
// their ranges; seconds of a year below 32,768. Of the week and the year nothing is said.
std::int64_t seconds_of(const std::tm& utc);
std::tm utc_of(std::int64_t seconds);

// Instead of an instant: whatever dates say is left out.
constexpr std::int64_t kAnyTime = INT64_MIN;

// A closed span of time; an absent end is open.
struct TimeWindow {
    std::optional<std::int64_t> from;
    std::optional<std::int64_t> until;

    bool contains(std::int64_t now) const {
        return now == kAnyTime || ((!from || *from <= now) && (!until || now <= *until));
    }
    bool unbounded() const { return !from && !until; }
};

}  // namespace mtls
