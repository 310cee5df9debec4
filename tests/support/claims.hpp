// Tests as claims: CLAIM(denies_when_...) { ... CHECK(a == b, "..."); }. Bodies run inside a catching wrapper, so that
// a failing claim neither jumps over destructors nor ends the runner.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

// When a claim's turn comes where claims run side by side: long ones first, so that no other waits for them at the end.
enum class Turn { kFirst, kAny, kAlone };

struct Claim {
    const char* name;
    void (*body)();
    Turn turn;
};
std::vector<Claim>& claims();

struct Registration {
    Registration(const char* name, void (*body)(), Turn turn = Turn::kAny) { claims().push_back({name, body, turn}); }
};

class Failure : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What fails the claim that is running, found where nothing can be thrown.
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

// The claims whose names contain one of `filters`, in their order: all where none of these selects. A filter that
// begins with '-' excludes the claims whose names contain the rest of it.
std::vector<Claim*> choose_claims(const std::vector<std::string>& filters);
// Runs a claim: empty, or why it failed.
std::string outcome_of(const Claim& claim);

// Runs the claims that `filters` choose as one cmocka group. Returns the number of failures.
int run_claims(const char* group, const std::vector<std::string>& filters);

}  // namespace test

// CLAIM(name), or CLAIM(name, test::Turn::kFirst).
#define CLAIM(name, ...)                                                                                 \
    static void claim_##name();                                                                          \
    static const test::Registration registration_##name(#name, claim_##name __VA_OPT__(, ) __VA_ARGS__); \
    static void claim_##name()
#define CHECK(condition) test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected) test::check_equal((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) test::check_contains((text), (part), __FILE__, __LINE__)
