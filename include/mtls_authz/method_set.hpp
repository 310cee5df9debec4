// Sets of request methods, as gates and grants name them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/result.hpp"

namespace mtls {

// A set of request methods (RFC 9110 9, RFC 4918, RFC 3253). HEAD always goes with GET.
class MethodSet {
public:
    // "GET,POST", "read", "write" or "*": no blanks, upper case.
    static Result<MethodSet> parse(std::string_view text);

    bool contains(std::string_view method) const;
    bool covers(const MethodSet& other) const;
    bool is_all() const { return read_ && write_; }
    const std::string& text() const { return text_; }

private:
    bool read_ = true;
    bool write_ = true;
    std::vector<std::string> names_;
    std::string text_;
};

bool is_known_method(std::string_view method);

}  // namespace mtls
