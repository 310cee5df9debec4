#include "mtls_authz/tell/page_parts.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"

namespace mtls::page {

namespace {

constexpr std::int64_t kMinute = 60;

}  // namespace

std::string number(std::uint64_t n) {
    constexpr std::size_t kGroup = 3;
    const std::string digits = std::to_string(n);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % kGroup == 0) out += ',';
        out += digits[i];
    }
    return out;
}

std::string counted(std::uint64_t n, const char* one, const char* many) {
    return number(n) + " " + (n == 1 ? one : many);
}

std::string age(std::int64_t now, std::int64_t then) {
    const std::int64_t past = now - then;
    if (past < kMinute) return "just now";
    if (past < 2 * kHour) return std::to_string(past / kMinute) + " min ago";
    if (past < 2 * kDay) return std::to_string(past / kHour) + " hours ago";
    return std::to_string(past / kDay) + " days ago";
}

std::string clock(std::int64_t now, std::int64_t then) {
    const std::tm at = utc_of(then), today = utc_of(now);
    const bool is_today = at.tm_mday == today.tm_mday && at.tm_mon == today.tm_mon && at.tm_year == today.tm_year;
    const char* const form = is_today ? "%H:%M" : at.tm_year == today.tm_year ? "%-d %b %H:%M" : "%-d %b %Y %H:%M";
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), form, &at)};
}

std::string time_left(std::int64_t now, std::int64_t at, bool is_late) {
    if (at < now) return span("bad", "ended " + clock(now, at));
    const std::int64_t days = (at - now) / kDay, hours = (at - now) / kHour;
    const std::string text = days >= 2 ? counted(static_cast<std::uint64_t>(days), "day", "days")
                                       : counted(static_cast<std::uint64_t>(hours), "hour", "hours");
    return is_late ? span("warn", text) : text;
}

std::string span(std::string_view kind, const std::string& html) {
    return "<span class=\"" + std::string(kind) + "\">" + html + "</span>";
}

std::string words(std::string_view text) {
    constexpr std::string_view kBetween = ".-_@:/,";
    std::string out = "<span class=\"name\">";
    while (!text.empty()) {
        const std::size_t end = text.find_first_of(kBetween);
        const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
        out += html_escape(text.substr(0, size));
        if (size < text.size() && text[size] != ' ') out += "<wbr>";
        text.remove_prefix(size);
    }
    return out + "</span>";
}

std::string code(std::string_view text) { return html_code(text); }

std::string url_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool is_plain = is_alnum(c) || c == '-' || c == '.' || c == '_';
        out += is_plain ? std::string(1, c) : "%" + hex(bytes_of({&c, 1}));
    }
    return out;
}

std::string bars(const HourlyCounts::Day& day, std::string_view kind) {
    // In the drawing's units: three quarters of the height are for allowed requests.
    constexpr std::uint64_t kUp = 24, kDown = 8, kStep = 4, kWidth = 3, kLeast = 2;
    std::uint64_t most = 1;
    for (const auto& hour : day) most = std::max({most, hour.allowed, hour.denied * (kUp / kDown)});
    const auto bar = [=](std::size_t hour, bool is_up, std::uint64_t n) {
        const std::uint64_t height = std::max<std::uint64_t>(kLeast, (n * kUp + most / 2) / most);
        const std::string from = std::to_string(is_up ? kUp : kUp + 1);
        return "M" + std::to_string(hour * kStep) + " " + from + (is_up ? "v-" : "v") + std::to_string(height) + "h" +
               std::to_string(kWidth) + "V" + from + "z";
    };
    std::string up, down;
    for (std::size_t i = 0; i < day.size(); ++i) {
        if (day[i].allowed > 0) up += bar(i, true, day[i].allowed);
        if (day[i].denied > 0) down += bar(i, false, day[i].denied);
    }
    const HourlyCounts::Hour all = sum_of(day);
    const std::string label = "Last 24 hours: " + number(all.allowed) + " allowed, " + number(all.denied) + " denied";
    return "<svg class=\"bars " + std::string(kind) + "\" viewBox=\"0 0 95 33\" preserveAspectRatio=\"none\" " +
           "role=\"img\" aria-label=\"" + label + "\"><title>" + label +
           "</title><path class=\"base\" d=\"M0 24h95v1H0z\"/>" +
           (up.empty() ? "" : "<path class=\"up\" d=\"" + up + "\"/>") +
           (down.empty() ? "" : "<path class=\"down\" d=\"" + down + "\"/>") + "</svg>";
}

std::string facts(const std::vector<std::pair<const char*, std::string>>& rows) {
    std::string out;
    for (const auto& [term, html] : rows) {
        if (!html.empty()) out += std::string("<dt>") + term + "</dt><dd>" + html + "</dd>";
    }
    return "<dl>" + out + "</dl>";
}

std::string drawer(const char* id, const char* title, const std::string& count, const std::string& html) {
    return std::string("<details class=\"card\" id=\"") + id + "\"><summary><h2>" + title + "</h2> " +
           span("count", count) + "</summary>\n" + html + "</details>\n";
}

std::string table_head(const std::vector<const char*>& columns) {
    std::string out = "<thead role=\"rowgroup\"><tr role=\"row\">";
    for (const char* column : columns)
        out += std::string("<th scope=\"col\" role=\"columnheader\">") + column + "</th>";
    return out + "</tr></thead>\n";
}

std::string cell(const char* column, const std::string& html, const std::string& attributes) {
    return std::string("<td role=\"cell\"") + attributes + (html.empty() ? " class=\"empty\"" : "") + " data-label=\"" +
           column + "\"><div>" + html + "</div></td>";
}

void Table::add(const std::vector<std::string>& cells) {
    rows_ += "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">" + cells.front() + "</th>";
    for (std::size_t i = 1; i < cells.size(); ++i) rows_ += cell(columns_[i], cells[i]);
    rows_ += "</tr>\n";
}

std::string Table::html() const {
    if (rows_.empty()) return "<p class=\"note\">None.</p>\n";
    return "<table role=\"table\">\n" + table_head(columns_) + "<tbody role=\"rowgroup\">\n" + rows_ +
           "</tbody>\n</table>\n";
}

}  // namespace mtls::page
