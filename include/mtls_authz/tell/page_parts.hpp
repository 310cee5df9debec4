// Building blocks of the status page. All functions return HTML, or text that needs no escaping.
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
// "11:50" for today, else "26 Nov 11:50", with the year if it is another one; UTC.
std::string clock(std::int64_t now, std::int64_t then);
// "8 days", "5 hours" until `at`; "ended 26 Nov 11:50" afterwards.
std::string time_left(std::int64_t now, std::int64_t at, bool is_late);

std::string span(std::string_view kind, const std::string& html);
// Escapes `text` and allows line breaks after a punctuation mark between words.
std::string words(std::string_view text);
std::string code(std::string_view text);
// Percent-encodes a query value (RFC 3986); the result needs no HTML escaping.
std::string url_escape(std::string_view text);

// The last 24 hours as bars on one scale, allowed upwards and denied downwards; a non-zero count is always visible.
// `kind`: a CSS class.
std::string bars(const HourlyCounts::Day& day, std::string_view kind);

// <dl>; rows with an empty value are left out. Values are HTML.
std::string facts(const std::vector<std::pair<const char*, std::string>>& rows);
// <details> with a title, a count and the content. `id`: the target of links.
std::string drawer(const char* id, const char* title, const std::string& count, const std::string& html);

// A table whose rows become blocks on a phone, each cell labelled with its column.
class Table {
public:
    explicit Table(std::vector<const char*> columns) : columns_(std::move(columns)) {}
    // Cells are HTML; the first one is the row's header.
    void add(const std::vector<std::string>& cells);
    std::string html() const;

private:
    std::vector<const char*> columns_;
    std::string rows_;
};
std::string table_head(const std::vector<const char*>& columns);
// `attributes`: more attributes of the element, each with a leading space.
std::string cell(const char* column, const std::string& html, const std::string& attributes = "");

}  // namespace mtls::page
