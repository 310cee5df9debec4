#include "claims.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <csetjmp>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string_view>

extern "C" {
#include <cmocka.h>
}

namespace test {

std::vector<Claim>& claims() {
    static std::vector<Claim> all;
    return all;
}

namespace {

// Of `@I/N`: whether the claim with this number is of the I-th of N parts.
bool is_of_part(std::string_view filter, std::size_t number) {
    const std::size_t slash = filter.find('/');
    if (slash == std::string_view::npos) throw std::invalid_argument("not @I/N: " + std::string(filter));
    const std::size_t part = std::stoul(std::string(filter.substr(1, slash - 1)));
    const std::size_t parts = std::stoul(std::string(filter.substr(slash + 1)));
    if (part == 0 || part > parts) throw std::invalid_argument("not @I/N: " + std::string(filter));
    return number % parts == part - 1;
}

}  // namespace

std::vector<Claim*> choose_claims(const std::vector<std::string>& filters) {
    const auto is_exclusion = [](const std::string& filter) { return filter.starts_with('-'); };
    const bool takes_all = std::all_of(filters.begin(), filters.end(), is_exclusion);
    std::vector<Claim*> out;
    std::size_t number = 0;
    for (Claim& claim : claims()) {
        const std::string_view name = claim.name;
        bool wanted = takes_all;
        bool excluded = false;
        for (const std::string_view filter : filters) {
            if (filter.starts_with('-')) {
                excluded = excluded || name.find(filter.substr(1)) != std::string_view::npos;
            } else if (filter.starts_with('@')) {
                wanted = wanted || is_of_part(filter, number);
            } else {
                wanted = wanted || name.find(filter) != std::string_view::npos;
            }
        }
        if (wanted && !excluded) out.push_back(&claim);
        ++number;
    }
    return out;
}

std::string& findings() {
    static std::string of_this_claim;
    return of_this_claim;
}

ClaimOutcome outcome_of(const Claim& claim) {
    using enum ClaimOutcome::Kind;
    findings().clear();
    try {
        claim.body();
        return {findings().empty() ? kPassed : kFailed, findings()};
    } catch (const Skipped& skipped) {
        return {kSkipped, skipped.why};
    } catch (const std::exception& e) {
        return {kFailed, e.what() + ("\n" + findings())};
    } catch (...) {
        return {kFailed, "something that is no std::exception was thrown"};
    }
}

namespace {

void run_claim(void** state) {
    // cmocka may longjmp out of this frame: only plain values here.
    static char message[4096];
    ClaimOutcome::Kind kind{};
    {
        const ClaimOutcome outcome = outcome_of(*static_cast<const Claim*>(*state));
        kind = outcome.kind;
        message[outcome.why.copy(message, sizeof message - 1)] = '\0';
    }
    if (kind == ClaimOutcome::Kind::kFailed) fail_msg("%s", message);
    if (kind == ClaimOutcome::Kind::kSkipped) {
        print_message("%s\n", message);
        skip();
    }
}

}  // namespace

void add_finding(const std::string& text) { findings() += text; }

int run_claims(const char* group, const std::vector<std::string>& filters) {
    std::vector<CMUnitTest> tests;
    for (Claim* const claim : choose_claims(filters))
        tests.push_back({claim->name, run_claim, nullptr, nullptr, claim});
    if (tests.empty()) return std::fprintf(stderr, "no test has such a name\n"), 2;
    return _cmocka_run_group_tests(group, tests.data(), tests.size(), nullptr, nullptr);
}

}  // namespace test
