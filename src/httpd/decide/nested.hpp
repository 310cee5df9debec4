// WebDAV methods that act elsewhere than at their path, below it (RFC 4918 9.6 to 9.10, RFC 3253) or at their
// Destination: they must not pass a gate there.
#pragma once

#include <optional>
#include <string>

#include "httpd/config/config.hpp"
#include "mtls_authz/decide/decision.hpp"

namespace mtls::httpd {

// Not inlined: nearly all requests have another method. By name, since httpd has no number for SEARCH.
[[gnu::noinline]] bool has_method_on_all_below(const request_rec* r) noexcept;

// Whether the method may act on everything below its path; most do without a Depth header.
inline bool acts_on_all_below(const request_rec* r) {
    static_assert(M_GET < M_POST && M_PUT < M_POST && M_POST < M_DELETE);
    return r->method_number > M_POST && has_method_on_all_below(r);
}

// Of a URI that mod_dav_svn keeps for itself (/svn/!svn/rvr/1/x), the repository's path (/svn): it serves all that is
// below, past the gates there. Empty: of no such URI.
[[gnu::noinline]] std::string repository_of(const request_rec* r);
inline bool is_of_subversion(const request_rec* r) { return !state().svn_uris.empty() && !repository_of(r).empty(); }

// Whether the request may act below its path: false for nearly all, and cheap.
inline bool may_reach_below(const request_rec* r) {
    return r->main != nullptr || acts_on_all_below(r) || is_of_subversion(r);
}

// A gate below what the request would act on, or nullptr. Exact in fixups only: before, a script counts as a file.
const GateSection* nested_gate(const request_rec* r);

// Whether the request acts below its path, so that its grant has to end in "/**". A DELETE without Depth counts where
// mod_dav serves it: other backends delete one resource. Known in fixups.
bool reaches_below(const request_rec* r);

// Known in fixups.
bool is_served_by_dav(const request_rec* r) noexcept;
inline bool has_path_info(const request_rec* r) noexcept { return r->path_info != nullptr && *r->path_info != '\0'; }

// Whether a program handles the file, as far as known: before fixups, a script counts as a plain file.
bool is_programs(const request_rec* r) noexcept;

// The number of the method; if httpd does not know it, of one that acts on all below in another case (`delete`).
[[gnu::noinline]] int number_in_any_case(const request_rec* r) noexcept;
inline int method_number_of(const request_rec* r) {
    return r->method_number != M_INVALID ? r->method_number : number_in_any_case(r);
}

// Whether the method writes to its Destination header's path, too.
inline bool has_destination(const request_rec* r) {
    const int method = method_number_of(r);
    return method == M_COPY || method == M_MOVE;
}

// Whether `r` looks up the Destination of a COPY or MOVE that a backend or a program serves: it reads the header
// itself.
bool is_destination_of_backend(const request_rec* r) noexcept;

// In fixups: why the Destination of a COPY or MOVE may not be written to, or nothing. mod_dav looks its own up.
std::optional<Objection> object_to_destination(request_rec* r);

// In fixups: an objection with `text` and the status if `path` may not be asked for by `method`.
std::optional<Objection> object_to_path(request_rec* r, const char* method, const char* path, const std::string& text);

// Whether the request would act elsewhere if a header of it replaced its method.
bool acts_elsewhere_if_overridden(const request_rec* r);

}  // namespace mtls::httpd
