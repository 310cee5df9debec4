// The rows of `make bench`: printed while they are measured, then kept as JSON and as Markdown.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace bench {

using Json = nlohmann::ordered_json;

class Report {
public:
    // Begins a table.
    void section(const std::string& key, const std::string& title);
    void row(const std::string& what, Json value, const std::string& unit);
    // The sections of another report.
    void add(const Json& sections);
    void instructions(const std::string& what, long value) { row(what, value, "instructions"); }
    Json& json() { return json_; }
    std::string markdown() const;

private:
    Json json_;
    std::string section_;
};

// "1 name", "1,000 names".
std::string count_of(int n, const std::string& one, const std::string& many);

}  // namespace bench
