// Builds decide()'s input from a request: certificate, path and address; and keeps the result with the facts for the
// log.
#pragma once

#include <memory>
#include <string_view>

#include "httpd/config/config.hpp"
#include "httpd/tls/connection.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/handed_certificates.hpp"

namespace mtls::httpd {

// The client of a request, as far as identified. Borrows from the connection.
struct Caller {
    SnapshotReader snapshot;       // keeps `who` alive
    TlsConnection* tls = nullptr;  // null: no TLS
    const PresentedCertificate* certificate = nullptr;
    const Identification* who = nullptr;
    std::int64_t now = 0;  // seconds since the epoch; 0 if `who` is null

    Reason missing = Reason::kGranted;     // as in Ask
    const char* missing_detail = nullptr;  // allocated in the request's pool

    const Partner* via = nullptr;               // the accepted front; borrowed from the snapshot
    const Identification* front = nullptr;      // of its own certificate; null if its address identifies it
    std::string_view empty_chain;               // name of its chain header, if that came empty
    std::shared_ptr<HandedCertificate> handed;  // forwarded: keeps `certificate` and `who` alive

    // Whether the steps before those that depend on the request granted.
    bool is_identified() const { return missing == Reason::kGranted && who->reason == Reason::kGranted; }
};

// The address as 4 or 16 bytes; empty if there is none.
inline std::string_view raw_address(const apr_sockaddr_t* address) {
    if (address == nullptr) return {};
    return {static_cast<const char*>(address->ipaddr_ptr), static_cast<std::size_t>(address->ipaddr_len)};
}

// Identifies by the connection's certificate, or by one that a front forwarded over it.
void identify(request_rec* r, Caller& out);

// Must not outlive the hook call that created it.
struct RequestDecision : mtls::Decision, Caller {
    bool has_one_reading = true;  // no backend can read the path differently
    std::int64_t duration = -1;   // nanoseconds; negative: not measured
};

// Gates, Require mtls-* and AuthType MTLS all decide here, with their own rules. `out` must be default-constructed.
void decide_request(request_rec* r, const Gate& gate, RequestDecision& out);

// Step 1, also for places without a gate: a backend could read the path as one behind a gate.
std::optional<Objection> find_objection(request_rec* r);

// The method to check: httpd looks up a COPY or MOVE destination with GET, but the method writes there.
const char* effective_method(const request_rec* r);

}  // namespace mtls::httpd
