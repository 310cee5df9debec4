#include "mtls_authz/policy/lateness.hpp"

#include <algorithm>
#include <charconv>

#include "mtls_authz/base/text.hpp"

namespace mtls {

Result<LateRule> LateRule::parse(std::string_view text) {
    constexpr int kMostDays = 3650;
    int number = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (wrong == std::errc() && unit == "%" && number >= 1 && number < kWhole) return LateRule{number, LateRule().days};
    if (wrong == std::errc() && unit == "d" && number >= 1 && number <= kMostDays) return LateRule{kWhole, number};
    return Error{in_quotes(text, 60) +
                 ": expected a share of its life, 1% to 99%, or days before its end, 1d to 3650d"};
}

std::string LateRule::text() const {
    return percent == kWhole ? std::to_string(days) + "d" : std::to_string(percent) + "%";
}

std::int64_t LateRule::late_from(std::int64_t not_before, std::int64_t not_after) const {
    const std::int64_t life = not_before < not_after ? not_after - not_before : 0;
    return not_after - std::min(life / kWhole * percent, days * kDay);
}

std::string distance_text(std::int64_t now, std::int64_t end) {
    const std::int64_t distance = end < now ? now - end : end - now;
    const std::int64_t days = distance / kDay, hours = distance / kHour;
    const auto counted = [](std::int64_t n, const char* unit) {
        return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
    };
    const std::string text = days >= 2 ? counted(days, "day") : counted(hours, "hour");
    return end < now ? text + " ago" : "in " + text;
}

}  // namespace mtls
