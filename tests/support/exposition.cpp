#include "exposition.hpp"

#include <cctype>
#include <cstdlib>
#include <set>
#include <sstream>

namespace test {

namespace {

// Removes the suffix of a histogram's series.
std::string without_suffix(const std::string& name) {
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        const std::string end = suffix;
        if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
    }
    return name;
}

class Reader {
public:
    Exposition read(const std::string& text) && {
        if (text.empty() || text.back() != '\n') fail("does not end in a line end");
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line) && out_.fault.empty();) {
            if (line.starts_with("# HELP ")) {
                help(line);
            } else if (line.starts_with("# TYPE ")) {
                type(line);
            } else {
                sample(line);
            }
        }
        for (const auto& [name, kind] : types_) {
            if (kind == "histogram") check_histogram(name);
        }
        return std::move(out_);
    }

private:
    void fail(const std::string& why) {
        if (out_.fault.empty()) out_.fault = why;
    }

    void help(const std::string& line) {
        std::istringstream words(line.substr(7));
        words >> current_;
        std::string text;
        if (!(words >> text)) fail("no help text: " + line);
        if (!seen_.insert(current_).second) fail("in pieces: " + current_);
    }

    void type(const std::string& line) {
        std::istringstream words(line.substr(7));
        std::string name, kind;
        words >> name >> kind;
        if (name != current_) fail("TYPE without its HELP: " + line);
        if (kind != "counter" && kind != "gauge" && kind != "histogram") fail("unknown type: " + line);
        if ((kind == "counter") != name.ends_with("_total")) fail("counters, and they alone, end in _total: " + name);
        if (!types_.emplace(name, kind).second) fail("TYPE twice: " + name);
    }

    // NAME{LABEL="VALUE",...} NUMBER
    void sample(const std::string& line) {
        for (const char c : line) {
            if (c < 0x20 || c > 0x7e) return fail("not printable ASCII: " + line);
        }
        const std::size_t end = skip_name(line, 0);
        const std::string name = line.substr(0, end);
        const std::size_t space = line[end] == '{' ? skip_labels(line, end) : end;
        if (end == 0 || space == std::string::npos || line[space] != ' ') return fail("not a sample: " + line);
        char* rest = nullptr;
        const double value = std::strtod(line.c_str() + space + 1, &rest);
        if (*rest != '\0' || rest == line.c_str() + space + 1) return fail("not a number: " + line);
        const auto type = types_.find(types_.contains(name) ? name : without_suffix(name));
        if (type == types_.end() || type->first != current_) return fail("not below its TYPE: " + line);
        if (type->second != "gauge" && value < 0) fail("negative: " + line);
        if (!out_.series.emplace(line.substr(0, space), value).second) fail("twice: " + line);
    }

    static std::size_t skip_name(const std::string& line, std::size_t at) {
        while (at < line.size() && (std::isalnum(static_cast<unsigned char>(line[at])) != 0 || line[at] == '_')) ++at;
        return at;
    }

    // Position after the labels, or npos if they are invalid. Only \\, \" and
    //  are escapes.
    static std::size_t skip_labels(const std::string& line, std::size_t at) {
        do {
            const std::size_t name = at + 1;
            at = skip_name(line, name);
            if (at == name || line.compare(at, 2, "=\"") != 0) return std::string::npos;
            for (at += 2; at < line.size() && line[at] != '"'; ++at) {
                if (line[at] == '\\' && std::string("\\\"n").find(line[++at]) == std::string::npos)
                    return std::string::npos;
            }
            if (at++ >= line.size()) return std::string::npos;
        } while (line[at] == ',');
        return line[at] == '}' ? at + 1 : std::string::npos;
    }

    void check_histogram(const std::string& name) {
        std::map<double, double> buckets;
        for (const auto& [series, value] : out_.series) {
            const std::string start = name + "_bucket{le=\"";
            if (series.starts_with(start)) buckets[std::strtod(series.c_str() + start.size(), nullptr)] = value;
        }
        double last = 0;
        for (const auto& [bound, value] : buckets) {
            if (value < last) fail("not cumulative: " + name);
            last = value;
        }
        if (buckets.empty() || out_.value(name + "_bucket{le=\"+Inf\"}") != out_.value(name + "_count")) {
            fail("does not add up: " + name);
        }
        if (out_.value(name + "_sum") < 0) fail("no sum: " + name);
    }

    Exposition out_;
    std::string current_;
    std::set<std::string> seen_;
    std::map<std::string, std::string> types_;
};

}  // namespace

double Exposition::sum(const std::string& name) const {
    double out = 0;
    for (const auto& [key, value] : series) {
        if (key == name || key.starts_with(name + "{")) out += value;
    }
    return out;
}

Exposition read_exposition(const std::string& text) { return Reader().read(text); }

}  // namespace test
