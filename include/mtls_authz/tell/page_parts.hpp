// What the parts of the status page are made of. Everything that is returned is HTML, or text that needs no escaping.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/ledger/hourly_counts.hpp"

namespace mtls::page {

// "12,345"
std::string number(std::uint64_t n);
// "1 thing", "2 things"
std::string counted(std::uint64_t n, const char* one, const char* many);
// "just now", "3 min ago"
std::string age(std::int64_t now, std::int64_t then);
// "11:50" of today, else "26 Nov 11:50", with the year where that is another one; UTC.
std::string clock(std::int64_t now, std::int64_t then);
// "8 days", "5 hours": until then; "ended 26 Nov 11:50" once that is over.
std::string time_left(std::int64_t now, std::int64_t at, bool is_late);

std::string span(std::string_view kind, const std::string& html);
// Text of any origin, which a line may only leave after a sign between words.
std::string words(std::string_view text);
std::string code(std::string_view text);
// "&amp;"-free form of a query's value (RFC 3986).
std::string url_escape(std::string_view text);

// The last 24 hours as bars, allowed upwards and denied downwards to the same scale; whatever is not 0 can be seen.
// `kind`: a class.
std::string bars(const HourlyCounts::Day& day, std::string_view kind);

// <dl>; empty values are left out. Values are HTML.
std::string facts(const std::vector<std::pair<const char*, std::string>>& rows);
// Something to open: a title, how much there is, and the rest. `id`: what links lead to.
std::string drawer(const char* id, const char* title, const std::string& count, const std::string& html);

// A table whose rows become blocks on a phone, each cell with its column's name.
class Table {
public:
    explicit Table(std::vector<const char*> columns) : columns_(std::move(columns)) {}
    // Cells are HTML; the first one names the row.
    void add(const std::vector<std::string>& cells);
    std::string html() const;

private:
    std::vector<const char*> columns_;
    std::string rows_;
};
std::string table_head(const std::vector<const char*>& columns);
// `attributes`: of the element, with a blank before.
std::string cell(const char* column, const std::string& html, const std::string& attributes = "");

}  // namespace mtls::page
