// Recursive WebDAV methods reach below the place that they name (RFC 4918 9.6 to 9.9): so may a gate not be passed.
#pragma once

#include <cstdint>

#include "config.hpp"

namespace mtls::httpd {

// Whether a method takes along what lies below the place that it names; without a Depth header, it does.
constexpr bool acts_on_all_below(int method_number) {
    constexpr int kAll[] = {M_COPY, M_MOVE, M_DELETE, M_PROPFIND, M_LOCK, M_REPORT};
    std::uint64_t all = 0;
    for (const int method : kAll) all |= std::uint64_t{1} << method;
    return (all >> method_number & 1) != 0;
}

// A gate below what this request would touch, or nullptr. Certain in fixups: before, a script is taken for a file.
const GateSection* nested_gate(const request_rec* r);

// Whether mod_dav serves this request, or the one whose destination it is, by a method that acts on all below. Known in
// fixups.
bool reaches_below(const request_rec* r);

}  // namespace mtls::httpd
