// One request's question, as decide() wants it: whose certificate, which path, from where; and the answer with what the
// log wants to say about it.
#pragma once

#include <string>

#include "config.hpp"
#include "connection.hpp"
#include "mtls_authz/decision.hpp"

namespace mtls::httpd {

// Whom a request comes from, as far as that is known. Borrows from the connection.
struct Caller {
    SnapshotReader snapshot;       // keeps `who` alive
    TlsConnection* tls = nullptr;  // null: no TLS
    const PresentedCertificate* certificate = nullptr;
    const Identification* who = nullptr;
    std::int64_t now = 0;  // seconds since the epoch; 0 where `who` is null
};

// Lives no longer than the hook that makes it.
struct Decision : mtls::Decision, Caller {
    bool has_one_reading = true;  // of the path; no backend takes it for another one
    std::int64_t duration = -1;   // nanoseconds that it took; negative: not measured
};

// Gates, Require mtls-* and AuthType MTLS all ask here, with the rules that they have.
// Fills `out`, which is as it was made.
void decide_request(request_rec* r, const Gate& gate, Decision& out);

// Step 1, which places without a gate ask, too: the path, as a backend reads it, could lead from there behind one.
std::optional<Objection> find_objection(request_rec* r);

// The method that counts: a destination is looked up with GET, but COPY and MOVE write there.
const char* effective_method(const request_rec* r);

}  // namespace mtls::httpd
