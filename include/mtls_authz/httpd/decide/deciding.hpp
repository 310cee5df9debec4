// One request's question, as decide() wants it: whose certificate, which path, from where; and the answer with what the
// log wants to say about it.
#pragma once

#include <memory>
#include <string_view>

#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/handed_certificates.hpp"
#include "mtls_authz/httpd/config/config.hpp"
#include "mtls_authz/httpd/tls/connection.hpp"

namespace mtls::httpd {

// Whom a request comes from, as far as that is known. Borrows from the connection.
struct Caller {
    SnapshotReader snapshot;       // keeps `who` alive
    TlsConnection* tls = nullptr;  // null: no TLS
    const PresentedCertificate* certificate = nullptr;
    const Identification* who = nullptr;
    std::int64_t now = 0;  // seconds since the epoch; 0 where `who` is null

    Reason missing = Reason::kGranted;     // as Ask has it
    const char* missing_detail = nullptr;  // in the request's pool

    const Partner* via = nullptr;               // the front that is believed; borrowed from the snapshot
    const Identification* front = nullptr;      // whom its own certificate belongs to; null where its address counts
    std::shared_ptr<HandedCertificate> handed;  // what it handed on: keeps `certificate` and `who` alive

    // Up to what depends on the request.
    bool is_identified() const { return missing == Reason::kGranted && who->reason == Reason::kGranted; }
};

// Of an address as bytes, 4 or 16; empty where there is none.
inline std::string_view raw_address(const apr_sockaddr_t* address) {
    if (address == nullptr) return {};
    return {static_cast<const char*>(address->ipaddr_ptr), static_cast<std::size_t>(address->ipaddr_len)};
}

// By the connection's certificate, or the one that a front handed on over it.
void identify(request_rec* r, Caller& out);

// Lives no longer than the hook that makes it.
struct Decision : mtls::Decision, Caller {
    bool has_one_reading = true;  // of the path; no backend takes it for another one
    std::int64_t duration = -1;   // nanoseconds that it took; negative: not measured
};

// Gates, Require mtls-* and AuthType MTLS all ask here, with the rules that they have.
// `out` must be default-constructed.
void decide_request(request_rec* r, const Gate& gate, Decision& out);

// Step 1, which places without a gate ask, too: the path, as a backend reads it, could lead from there behind one.
std::optional<Objection> find_objection(request_rec* r);

// The method that counts: a destination is looked up with GET, but COPY and MOVE write there.
const char* effective_method(const request_rec* r);

}  // namespace mtls::httpd
