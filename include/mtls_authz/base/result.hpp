// Failure as a type. No function of the core throws for bad input: it throws if memory is exhausted (std::bad_alloc),
// and std::runtime_error if an image cannot be made or used, or OpenSSL gives no random numbers.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mtls_authz/base/relative.hpp"

namespace mtls {

// "FILE:LINE", or "FILE" for the whole file, as compilers print it and as rule= and gate= of the log show it; "-" for
// none.
inline std::string place_text(std::string_view file, unsigned line) {
    if (file.empty()) return "-";
    std::string out(file);
    if (line != 0) out.append(1, ':').append(std::to_string(line));
    return out;
}

// A position in the configuration. An empty file name means "in no file that an administrator could open".
struct Where {
    std::string file;
    unsigned line = 0;

    std::string str() const { return place_text(file, line); }
};

// A Where inside of a policy: its text is stored elsewhere in the same arena.
struct StoredWhere {
    Text file;
    unsigned line = 0;

    operator Where() const { return {std::string(file.view()), line}; }
    std::string str() const { return Where(*this).str(); }
    bool is_inside(const Bounds& in) const { return file.is_inside(in); }
};

// An error or a warning about one line of the configuration.
struct Diagnostic {
    enum class Severity { kWarning, kError };
    Severity severity = Severity::kError;
    Where where;
    std::string message;

    bool is_error() const { return severity == Severity::kError; }
    std::string str() const { return where.str() + ": " + (is_error() ? "error: " : "warning: ") + message; }
};
inline bool has_error(const std::vector<Diagnostic>& findings) {
    return std::any_of(findings.begin(), findings.end(), [](const Diagnostic& d) { return d.is_error(); });
}

struct Error {
    std::string message;
};

// A value, or the sentence that says why there is none.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() { return std::get<0>(state_); }
    const T& value() const { return std::get<0>(state_); }
    const std::string& error() const { return std::get<1>(state_).message; }

private:
    std::variant<T, Error> state_;
};

}  // namespace mtls
