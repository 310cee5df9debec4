// MTLSWarn: from when on a certificate counts as late. It decides about no request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// All times: seconds since the epoch.
struct LateRule {
    int percent = 20;  // of its life
    int days = 30;     // before its end, at most

    // "N%" (1 to 99; 30 days before the end at most), or "Nd" (1 to 3650): so many days before the end.
    static Result<LateRule> parse(std::string_view text);
    // As parse() reads it.
    std::string text() const;

    // When a certificate with these dates begins to be late: never before it is valid.
    std::int64_t late_from(std::int64_t not_before, std::int64_t not_after) const;
    bool is_late(std::int64_t not_before, std::int64_t not_after, std::int64_t now) const {
        return now >= late_from(not_before, not_after);
    }
    // The same for what has an end alone: MTLSPurpose until=.
    bool is_late(std::int64_t end, std::int64_t now) const { return now >= end - days * kDay; }

private:
    static constexpr std::int64_t kDay = 86400;
    static constexpr int kWhole = 100;  // percent: `days` alone counts
};

// "in 8 days", "in 5 hours", "2 days ago": when an end is, for people.
std::string distance_text(std::int64_t now, std::int64_t end);

}  // namespace mtls
