// Prometheus' text format (version 0.0.4), read strictly.
#pragma once

#include <map>
#include <string>

namespace test {

struct Exposition {
    std::string fault;                     // why a scraper or a linter would object, or empty
    std::map<std::string, double> series;  // "name{label=\"value\"}" as it is written -> value

    // -1 where there is none.
    double value(const std::string& name) const {
        const auto found = series.find(name);
        return found == series.end() ? -1 : found->second;
    }
    // All series of one metric together.
    double sum(const std::string& name) const;
};

// Refuses what `promtool check metrics` does: series without HELP and TYPE before them, in pieces or twice; counters
// that do not end in _total, gauges that do; names, labels and escapes that are none; histograms that do not add up.
Exposition read_exposition(const std::string& text);

}  // namespace test
