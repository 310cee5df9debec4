// Recursive WebDAV methods reach below the place that they name (RFC 4918 9.6 to 9.9): so may a gate not be passed.
#pragma once

#include "config.hpp"

namespace mtls::httpd {

// A gate that stands below what this request would touch, or nullptr.
const GateSection* nested_gate(const request_rec* r);

// Whether mod_dav serves this request, or the one whose destination it is, by a method that acts on all below. Known in
// fixups.
bool reaches_below(const request_rec* r);

}  // namespace mtls::httpd
