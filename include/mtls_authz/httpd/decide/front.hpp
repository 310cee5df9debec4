// MTLSFront, MTLSAcceptFront: which certificate speaks in a request, the connection's own or one that a front handed
// on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::httpd {

// What MTLSAcceptFront names; nobody where it says `none`.
struct AcceptedFronts {
    std::vector<std::string> names;
    Where where;

    std::string text() const;  // as it stands behind MTLSAcceptFront
};

// A header field that fronts hand certificates on in. It was taken out of the request before anything could read it,
// and lies in the request's pool.
struct FrontField {
    const char* key;   // as header_key() has it
    const char* name;  // as the client spelled it
    const char* value;
};

struct Caller;

// The keys, by header_key(), of the headers that fronts hand certificates on in; none where there is no policy.
std::vector<std::string> front_keys();

// When headers have been read: takes note of those that fronts hand certificates on in. A request that another one led
// to has that one's. Removing them is MTLSForward's business (forward.hpp).
void note_front_fields(request_rec* r);
// `caller`: the connection's own certificate, and whom it belongs to. Where the request has a header of a front that is
// accepted here, takes the certificate in it in the place of that; or refuses (`front-not-trusted`), where whoever sent
// it is not that front, or is not to be believed now, or the header does not hold exactly one certificate.
// Kept apart from what each request does.
[[gnu::noinline]] void speak_through_front(request_rec* r, Caller& caller);

}  // namespace mtls::httpd
