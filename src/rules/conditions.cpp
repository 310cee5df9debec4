#include "mtls_authz/rules/conditions.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"

namespace mtls {

bool Conditions::hold(const CertificateFacts& facts, const PathFacts* path) const {
    return std::all_of(begin(), end(), [&](const Selector& selector) {
        return selector.test(facts, path, Repeats::kMustBeSingle) == Answer::kYes;
    });
}

bool Conditions::may_hold(const CertificateFacts& facts, const PathFacts& path) const {
    return std::all_of(begin(), end(), [&](const Selector& selector) {
        return selector.test(facts, &path, Repeats::kAnyCounts) != Answer::kNo;
    });
}

bool Conditions::all_negated() const {
    return std::all_of(begin(), end(), [](const Selector& selector) { return selector.negated(); });
}

std::string Conditions::contradiction() const {
    for (Iterator one = begin(); one != end(); ++one) {
        for (Iterator other = std::next(one); other != end(); ++other) {
            if (!(*one).contradicts(*other)) continue;
            return std::string((*one).text()) + " and " + std::string((*other).text());
        }
    }
    return {};
}

std::string Conditions::text() const {
    std::string out;
    for (const Selector& selector : *this) {
        out += ' ';
        append_config_quoted(out, selector.text());
    }
    return out;
}

std::set<std::string> Conditions::texts() const {
    std::set<std::string> out;
    for (const Selector& selector : *this) out.emplace(selector.text());
    return out;
}

bool Conditions::is_inside(const Bounds& in) const {
    if (!records_.is_inside(in)) return false;
    std::string_view rest = records_;
    while (!rest.empty()) {
        if (!Selector::take(rest)) return false;
    }
    return true;
}

}  // namespace mtls
