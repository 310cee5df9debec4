#include "mtls_authz/base/calendar.hpp"

#include <array>
#include <chrono>
#include <ctime>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::int64_t kFirstSecond = -62167219200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253402300799;   // 9999-12-31T23:59:59Z

class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    // Reads exactly `digits` digits; the number must be from `low` to `high`.
    bool number(std::size_t digits, int low, int high, int& out) {
        if (rest_.size() < digits) return false;
        out = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (!is_digit(rest_[i])) return false;
            out = out * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(digits);
        return low <= out && out <= high;
    }
    bool literal(char c) {
        if (rest_.empty() || to_lower(rest_.front()) != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

struct Parts {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset_minutes = 0;
    bool date_only = true;
};

int days_in(int year, int month) {
    static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

bool read_offset(Cursor& cursor, int& minutes) {
    if (cursor.literal('z')) return true;
    const bool east = cursor.literal('+');
    if (!east && !cursor.literal('-')) return false;
    int h = 0, m = 0;
    if (!cursor.number(2, 0, 23, h) || !cursor.literal(':') || !cursor.number(2, 0, 59, m)) return false;
    minutes = (east ? 1 : -1) * (h * 60 + m);
    return true;
}

bool read(std::string_view text, Parts& p) {
    Cursor c(text);
    const bool date = c.number(4, 0, 9999, p.year) && c.literal('-') && c.number(2, 1, 12, p.month) && c.literal('-') &&
                      c.number(2, 1, 31, p.day) && p.day <= days_in(p.year, p.month);
    if (!date || c.at_end()) return date;
    p.date_only = false;
    return c.literal('t') && c.number(2, 0, 23, p.hour) && c.literal(':') && c.number(2, 0, 59, p.minute) &&
           c.literal(':') && c.number(2, 0, 59, p.second) && read_offset(c, p.offset_minutes) && c.at_end();
}

}  // namespace

Result<std::int64_t> parse_date(std::string_view text, DateEdge edge) {
    const Error no_date{in_quotes(text, 60) +
                        " is not a date: expected RFC 3339 like 2027-03-31 or 2027-03-31T18:00:00+02:00"};
    Parts p;
    if (!read(text, p)) return no_date;
    std::tm tm{};
    tm.tm_year = p.year - 1900;
    tm.tm_mon = p.month - 1;
    tm.tm_mday = p.day;
    tm.tm_hour = p.hour;
    tm.tm_min = p.minute;
    tm.tm_sec = p.second;
    const std::int64_t start = seconds_of(tm) - static_cast<std::int64_t>(p.offset_minutes) * 60;
    // An offset can move the instant outside of the years that RFC 3339 can express.
    if (start < kFirstSecond || start > kLastSecond) return no_date;
    constexpr std::int64_t kLastSecondOfDay = 86399;
    return p.date_only && edge == DateEdge::kUntil ? start + kLastSecondOfDay : start;
}

std::int64_t seconds_of(const std::tm& utc) {
    constexpr int kFirstYear = 1900;
    const std::chrono::year_month_day date(std::chrono::year(utc.tm_year + kFirstYear),
                                           std::chrono::month(static_cast<unsigned>(utc.tm_mon) + 1),
                                           std::chrono::day(static_cast<unsigned>(utc.tm_mday)));
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return ((days * 24 + utc.tm_hour) * 60 + utc.tm_min) * 60 + utc.tm_sec;
}

std::tm utc_of(std::int64_t seconds) {
    constexpr int kFirstYear = 1900;
    const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    std::tm out{};
    out.tm_year = static_cast<int>(date.year()) - kFirstYear;
    out.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
    out.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
    out.tm_hour = static_cast<int>(clock.hours().count());
    out.tm_min = static_cast<int>(clock.minutes().count());
    out.tm_sec = static_cast<int>(clock.seconds().count());
    return out;
}

std::string format_time(std::int64_t seconds) {
    if (seconds < kFirstSecond || seconds > kLastSecond) return "unknown";
    const std::tm tm = utc_of(seconds);
    std::string out = "YYYY-MM-DDThh:mm:ssZ";
    // An audit line has two of these: printf() takes ten times as long.
    const auto put = [&out](std::size_t at, int digits, int number) {
        for (std::size_t i = at + static_cast<std::size_t>(digits); i-- > at; number /= 10) {
            out[i] = static_cast<char>('0' + number % 10);
        }
    };
    put(0, 4, tm.tm_year + 1900);
    put(5, 2, tm.tm_mon + 1);
    put(8, 2, tm.tm_mday);
    put(11, 2, tm.tm_hour);
    put(14, 2, tm.tm_min);
    put(17, 2, tm.tm_sec);
    return out;
}

std::int64_t monotonic_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

std::string TimeWindow::objection(std::int64_t now) const {
    if (contains(now)) return {};
    return from && now < *from ? "begins " + format_time(*from) : "ended " + format_time(until.value_or(now));
}

std::string TimeWindow::fault() const {
    if (!from || !until || *from <= *until) return {};
    return "from=" + format_time(*from) + " is later than until=" + format_time(*until) +
           ", so it would never hold: swap the two, or mend one";
}

}  // namespace mtls
