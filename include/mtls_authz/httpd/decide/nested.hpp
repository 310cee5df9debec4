// Recursive WebDAV methods reach below the place that they name (RFC 4918 9.6 to 9.9): so may a gate not be passed.
#pragma once

#include <cstdint>

#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

constexpr std::uint64_t bit_of_method(int number) { return std::uint64_t{1} << number; }
inline constexpr std::uint64_t kMethodsOnAllBelow = bit_of_method(M_COPY) | bit_of_method(M_MOVE) |
                                                    bit_of_method(M_DELETE) | bit_of_method(M_PROPFIND) |
                                                    bit_of_method(M_LOCK) | bit_of_method(M_REPORT);

// Whether a method takes along what lies below the place that it names; without a Depth header, it does.
constexpr bool acts_on_all_below(int method_number) { return (kMethodsOnAllBelow >> method_number & 1) != 0; }

// Whether the request may touch what is below its path: false for nearly all, and quick.
inline bool may_reach_below(const request_rec* r) { return r->main != nullptr || acts_on_all_below(r->method_number); }

// A gate below what this request would touch, or nullptr. Certain in fixups: before, a script is taken for a file.
const GateSection* nested_gate(const request_rec* r);

// Whether mod_dav serves this request, or the one whose destination it is, by a method that acts on all below. Known in
// fixups.
bool reaches_below(const request_rec* r);

}  // namespace mtls::httpd
