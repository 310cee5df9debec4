#include "report.hpp"

#include <cstdio>

namespace bench {

namespace {

std::string grouped(const std::string& digits) {
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    return out;
}

std::string text_of(const Json& value) {
    if (!value.is_number_float()) return grouped(value.dump());
    char out[40];
    std::snprintf(out, sizeof out, "%.3f", value.get<double>());
    return out;
}

}  // namespace

void Report::section(const std::string& key, const std::string& title) {
    section_ = key;
    json_[section_] = {{"title", title}, {"rows", Json::array()}};
    std::printf("\n%s\n", title.c_str());
}

void Report::row(const std::string& what, Json value, const std::string& unit) {
    std::printf("  %-70s %14s %s\n", what.c_str(), text_of(value).c_str(), unit.c_str());
    std::fflush(stdout);
    json_[section_]["rows"].push_back({{"what", what}, {"value", std::move(value)}, {"unit", unit}});
}

void Report::add(const Json& sections) {
    for (const auto& [key, of_other] : sections.items()) {
        section(key, of_other["title"].get<std::string>());
        for (const Json& one : of_other["rows"]) row(one["what"], one["value"], one["unit"]);
    }
}

std::string Report::markdown() const {
    std::string out;
    for (const auto& [key, section] : json_.items()) {
        if (!section.contains("rows")) continue;
        out += "\n## " + section["title"].get<std::string>() + "\n\n|  | |\n|---|---|\n";
        for (const Json& row : section["rows"]) {
            out += "| " + row["what"].get<std::string>() + " | " + text_of(row["value"]) + " " +
                   row["unit"].get<std::string>() + " |\n";
        }
    }
    return out;
}

std::string count_of(int n, const std::string& one, const std::string& many) {
    return n == 1 ? "1 " + one : grouped(std::to_string(n)) + " " + many;
}

}  // namespace bench
