// Recursive WebDAV methods act below their path (RFC 4918 9.6 to 9.9): they must not pass a gate there.
#pragma once

#include <cstdint>

#include "httpd/config/config.hpp"

namespace mtls::httpd {

constexpr std::uint64_t bit_of_method(int number) { return std::uint64_t{1} << number; }
inline constexpr std::uint64_t kMethodsOnAllBelow = bit_of_method(M_COPY) | bit_of_method(M_MOVE) |
                                                    bit_of_method(M_DELETE) | bit_of_method(M_PROPFIND) |
                                                    bit_of_method(M_LOCK) | bit_of_method(M_REPORT);

// Whether a method acts on everything below its path; it does without a Depth header.
constexpr bool acts_on_all_below(int method_number) { return (kMethodsOnAllBelow >> method_number & 1) != 0; }

// Whether the request may act below its path: false for nearly all, and cheap.
inline bool may_reach_below(const request_rec* r) { return r->main != nullptr || acts_on_all_below(r->method_number); }

// A gate below what the request would act on, or nullptr. Exact in fixups only: before, a script counts as a file.
const GateSection* nested_gate(const request_rec* r);

// Whether mod_dav serves this request, or the one whose destination it is, with a recursive method. Known in fixups.
bool reaches_below(const request_rec* r);

}  // namespace mtls::httpd
