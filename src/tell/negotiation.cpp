#include "mtls_authz/tell/negotiation.hpp"

#include <algorithm>
#include <utility>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// A qvalue in thousandths; 0 if it is malformed.
int quality_of(std::string_view parameters) {
    constexpr int kWhole = 1000;
    for (const std::string_view parameter : split(parameters, ';')) {
        const std::string_view text = trim(parameter);
        if (!starts_nocase(text, "q=")) continue;
        int value = 0;
        int unit = kWhole;
        for (const char c : text.substr(2, 5)) {
            if (c == '.') continue;
            if (!is_digit(c) || unit == 0) return 0;
            value += (c - '0') * unit;
            unit /= 10;
        }
        return std::min(value, kWhole);
    }
    return kWhole;
}

// The quality of a type, and how exactly the field names it.
std::pair<int, int> wish_for(std::string_view accept, std::string_view type) {
    std::pair<int, int> best{0, 0};
    int exactness_of_best = 0;
    for (const std::string_view entry : split(accept, ',')) {
        const std::size_t end = std::min(entry.find(';'), entry.size());
        const std::string_view range = trim(entry.substr(0, end));
        const std::string_view family = type.substr(0, type.find('/') + 1);
        int exactness = 0;
        if (range == "*/*") exactness = 1;
        if (range.ends_with("/*") && equal_nocase(range.substr(0, range.size() - 1), family)) exactness = 2;
        if (equal_nocase(range, type)) exactness = 3;
        if (exactness <= exactness_of_best) continue;
        exactness_of_best = exactness;
        best = {quality_of(entry.substr(end)), exactness};
    }
    return best;
}

}  // namespace

bool prefers_html(std::string_view accept, std::initializer_list<std::string_view> others) {
    const auto html = wish_for(accept, "text/html");
    return html.first > 0 && std::all_of(others.begin(), others.end(),
                                         [&](std::string_view other) { return html > wish_for(accept, other); });
}

}  // namespace mtls
