// Tests as claims: CLAIM(denies_when_...) { ... CHECK(a == b, "..."); }. Bodies run in a wrapper that catches
// exceptions, so that a failing claim neither skips destructors nor ends the runner.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

// Order of claims that run in parallel: long ones first, so that the run does not end by waiting for one.
enum class Turn { kFirst, kAny, kAlone };

// kPlain: not for a module with sanitizers, since the claim is about time or memory, or uses another tool.
enum class Module { kEither, kPlain };

struct Claim {
    const char* name;
    void (*body)();
    Turn turn;
    Module module;
};
std::vector<Claim>& claims();

struct Registration {
    Registration(const char* name, void (*body)(), Turn turn = Turn::kAny, Module module = Module::kEither) {
        claims().push_back({name, body, turn, module});
    }
};

class Failure : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Ends the running claim, which the runner counts and names as skipped.
struct Skipped {
    std::string why;
};
[[noreturn]] inline void skip(const std::string& why) { throw Skipped{why}; }

// Fails the running claim from code that must not throw.
void add_finding(const std::string& text);

inline void check(bool ok, const std::string& what, const char* file, int line) {
    if (!ok) throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <class A, class B>
void check_equal(const A& actual, const B& expected, const std::string& what, const char* file, int line) {
    if (actual == expected) return;
    std::ostringstream out;
    out << what << ": got [" << actual << "], expected [" << expected << "]";
    throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + out.str());
}

inline void check_contains(const std::string& text, const std::string& part, const char* file, int line) {
    check(text.find(part) != std::string::npos, "[" + part + "] is not in [" + text + "]", file, line);
}

// How often `part` is in `text`.
inline std::size_t times_in(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

// The claims whose names contain one of `filters`, in their order; all without such a filter. "@I/N" adds the I-th of N
// parts of all; a filter that starts with '-' excludes the claims whose names contain the rest of it.
std::vector<Claim*> choose_claims(const std::vector<std::string>& filters);
struct ClaimOutcome {
    // Also exit statuses; 1 is a sanitizer's, too.
    enum class Kind { kPassed = 0, kFailed = 1, kSkipped = 77 };
    Kind kind;
    std::string why;  // of kFailed and kSkipped
};
ClaimOutcome outcome_of(const Claim& claim);

// Runs the claims that match `filters` as one cmocka group. Returns the number of failures.
int run_claims(const char* group, const std::vector<std::string>& filters);

}  // namespace test

// CLAIM(name), CLAIM(name, test::Turn::kFirst), or CLAIM(name, test::Turn::kAny, test::Module::kPlain).
#define CLAIM(name, ...)                                                                                 \
    static void claim_##name();                                                                          \
    static const test::Registration registration_##name(#name, claim_##name __VA_OPT__(, ) __VA_ARGS__); \
    static void claim_##name()
#define CHECK(condition) test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected) test::check_equal((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) test::check_contains((text), (part), __FILE__, __LINE__)
