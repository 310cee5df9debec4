// WebDAV methods that act elsewhere than at their path, below it (RFC 4918 9.6 to 9.10, RFC 3253) or at their
// Destination: they must not pass a gate there.
#pragma once

#include <cstdint>
#include <optional>

#include "httpd/config/config.hpp"
#include "mtls_authz/decide/decision.hpp"

namespace mtls::httpd {

constexpr std::uint64_t bit_of_method(int number) { return std::uint64_t{1} << number; }
inline constexpr std::uint64_t kMethodsOnAllBelow =
    bit_of_method(M_COPY) | bit_of_method(M_MOVE) | bit_of_method(M_DELETE) | bit_of_method(M_PROPFIND) |
    bit_of_method(M_LOCK) | bit_of_method(M_REPORT) | bit_of_method(M_LABEL) | bit_of_method(M_UPDATE);

// Not inlined: nearly all requests have a method with a number.
[[gnu::noinline]] bool is_search(const request_rec* r) noexcept;

// Whether the method may act on everything below its path; most do without a Depth header. httpd has no number for
// SEARCH.
inline bool acts_on_all_below(const request_rec* r) {
    if (r->method_number < M_INVALID) return (kMethodsOnAllBelow >> r->method_number & 1) != 0;
    return is_search(r);
}

// Whether the request may act below its path: false for nearly all, and cheap.
inline bool may_reach_below(const request_rec* r) { return r->main != nullptr || acts_on_all_below(r); }

// A gate below what the request would act on, or nullptr. Exact in fixups only: before, a script counts as a file.
const GateSection* nested_gate(const request_rec* r);

// Whether mod_dav serves this request, or the one whose destination it is, with a recursive method. Known in fixups.
bool reaches_below(const request_rec* r);

// Known in fixups.
bool is_served_by_dav(const request_rec* r) noexcept;
// Whether a program handles the file, as far as known: before fixups, a script counts as a plain file.
bool is_programs(const request_rec* r) noexcept;

// Whether the method writes to its Destination header's path, too.
inline bool has_destination(const request_rec* r) { return r->method_number == M_COPY || r->method_number == M_MOVE; }

// Whether `r` looks up the Destination of a COPY or MOVE that a backend or a program serves: it reads the header
// itself.
bool is_destination_of_backend(const request_rec* r) noexcept;

// In fixups: why the Destination of a COPY or MOVE may not be written to, or nothing. mod_dav looks its own up.
std::optional<Objection> object_to_destination(request_rec* r);

// Whether the request would act elsewhere if a header of it replaced its method.
bool acts_elsewhere_if_overridden(const request_rec* r);

}  // namespace mtls::httpd
