// Sets of request methods, as gates and grants name them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// A set of request methods (RFC 9110 9, RFC 4918, RFC 3253). HEAD always goes with GET.
class MethodSet {
public:
    // "GET,POST", "read", "write" or "*": no blanks, upper case.
    static Result<MethodSet> parse(std::string_view text);

    bool contains(std::string_view method) const;
    bool covers(const MethodSet& other) const;
    bool is_all() const { return read_ && write_; }
    // As parse() reads it; methods that are named in an order of their own.
    std::string text() const;

private:
    bool read_ = true;
    bool write_ = true;
    std::uint64_t named_ = 0;  // one bit for each method that httpd knows
};

bool is_known_method(std::string_view method);

}  // namespace mtls
