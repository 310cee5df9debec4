// MTLSWarn: when a certificate counts as late. It affects warnings only, never a decision.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

// All times are seconds since the epoch.
struct LateRule {
    int percent = 20;  // of the certificate's lifetime
    int days = 30;     // before its end, at most

    // Parses "N%" (1 to 99; at most 30 days before the end), or "Nd" (1 to 3650): days before the end.
    static Result<LateRule> parse(std::string_view text);
    // The inverse of parse().
    std::string text() const;

    // The instant from which a certificate with these dates is late; never before it becomes valid.
    std::int64_t late_from(std::int64_t not_before, std::int64_t not_after) const;
    bool is_late(std::int64_t not_before, std::int64_t not_after, std::int64_t now) const {
        return now >= late_from(not_before, not_after);
    }
    // The same for an end without a beginning: MTLSPurpose until=.
    bool is_late(std::int64_t end, std::int64_t now) const { return now >= end - days * kDay; }

private:
    static constexpr int kWhole = 100;  // value of `percent` if only `days` counts
};

// "in 8 days", "in 5 hours", "2 days ago": the distance to an end, for display.
std::string distance_text(std::int64_t now, std::int64_t end);

}  // namespace mtls
