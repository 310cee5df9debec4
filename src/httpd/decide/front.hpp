// MTLSFront, MTLSAcceptFront: selects the certificate that a request is decided on, the connection's own or one that a
// front forwarded.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "httpd/config/config.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

// The fronts that MTLSAcceptFront names; none for `none`.
struct AcceptedFronts {
    std::vector<std::string> names;
    Where where;

    std::string text() const;  // the arguments of MTLSAcceptFront
};

inline bool accepts_front(const DirConfig& config) { return config.fronts != nullptr && !config.fronts->names.empty(); }
// Whether the section applies in this virtual host and accepts a front.
inline bool accepts_front_in(const GateSection& section, const server_rec* s) {
    return section.applies_in(s) && accepts_front(*section.config);
}

// A header field with a forwarded certificate. It was removed from the request before other code could read it; the
// strings are in the request's pool.
struct FrontField {
    const char* key;   // header_key() of the name
    const char* name;  // as the client spelled it
    const char* value;
};

struct Caller;

// Called after the headers are read: records the fronts' fields. A subrequest or redirect uses those of its original
// request. The fields are removed by MTLSForward's code (forward.hpp).
void note_front_fields(request_rec* r);
// `caller`: the connection's own certificate and its identification. If the request has a header of an accepted front,
// replaces them with the certificate in the header; or denies (`front-not-trusted`) if the sender is not that front, is
// refused itself, or the header does not hold exactly one certificate. Not inlined: most requests skip it.
[[gnu::noinline]] void apply_front(request_rec* r, Caller& caller);
// The front that is accepted here and is the caller itself, since its client sent no certificate; null if none.
const Partner* front_alone(const request_rec* r, const Caller& caller);

}  // namespace mtls::httpd
