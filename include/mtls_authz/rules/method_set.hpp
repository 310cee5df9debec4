// Sets of request methods in gates and grants.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

// A set of request methods (RFC 9110 9, RFC 4918, RFC 3253). HEAD is allowed with GET.
class MethodSet {
public:
    // Parses "GET,POST", "read", "write" or "*": upper-case methods, no blanks.
    static Result<MethodSet> parse(std::string_view text);

    // For rules that let in. Some applications ignore the case of methods: `get` counts as itself and as GET.
    bool contains(std::string_view method) const;
    // For rules that deny: `delete` counts as itself or as DELETE.
    bool may_contain(std::string_view method) const;
    // One bit per method that httpd knows, and some for all others. Bits of several sets add up to those of their
    // union.
    std::uint64_t bits() const;
    bool covers(const MethodSet& other) const { return (other.bits() & ~bits()) == 0; }
    bool is_all() const { return read_ && write_; }
    // The inverse of parse(); the order of methods is fixed.
    std::string text() const;

private:
    bool read_ = true;
    bool write_ = true;
    std::uint64_t named_ = 0;  // one bit per method that httpd knows
};

bool is_known_method(std::string_view method);
// The known method that this is in another case; "" if there is none.
std::string known_in_upper_case(std::string_view method);

// WebDAV methods that act on everything below their path (RFC 4918, 3253, 5323); most do without a Depth header.
inline constexpr std::string_view kMethodsOnAllBelow[] = {"COPY",   "MOVE",   "DELETE", "PROPFIND", "LOCK",
                                                          "REPORT", "SEARCH", "LABEL",  "UPDATE"};
// Whether it is one, in any case.
inline bool acts_on_all_below(std::string_view method) {
    constexpr std::size_t kShortest = 4;  // GET is shorter
    return method.size() >= kShortest &&
           std::any_of(std::begin(kMethodsOnAllBelow), std::end(kMethodsOnAllBelow),
                       [method](std::string_view known) { return equal_nocase(known, method); });
}

}  // namespace mtls
