// A strict parser for Prometheus' text format (version 0.0.4).
#pragma once

#include <map>
#include <string>

namespace test {

struct Exposition {
    std::string fault;                     // what a scraper or linter would reject, or ""
    std::map<std::string, double> series;  // "name{label=\"value\"}" as written -> value

    // -1 if there is none.
    double value(const std::string& name) const {
        const auto found = series.find(name);
        return found == series.end() ? -1 : found->second;
    }
    // The sum of all series of one metric.
    double sum(const std::string& name) const;
};

// Rejects what `promtool check metrics` rejects: series without HELP and TYPE before them, split or duplicate; counters
// not named _total, gauges that are; invalid names, labels and escapes; inconsistent histograms.
Exposition read_exposition(const std::string& text);

}  // namespace test
