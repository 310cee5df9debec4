// The account of one decision: what the log and the audit log say about it, with the same words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mtls_authz/policy/outcome.hpp"
#include "mtls_authz/policy/reason.hpp"

namespace mtls {

constexpr std::size_t kMostNameBytes = 256;    // of a subject, an issuer, the SANs, a detail
constexpr std::size_t kMostPathBytes = 512;    // without query
constexpr std::size_t kMostAuditBytes = 4096;  // of a line: what a pipe takes in one piece (PIPE_BUF)

// Text as it stands in the certificate, the request or the configuration: escaped where it is written. Empty: not
// known.
struct Account {
    std::int64_t time = 0;  // microseconds since the epoch
    Outcome outcome = Outcome::kDeny;
    Reason reason = Reason::kInternalError;
    std::string detail;
    std::string partner;  // identified, and granted or let through
    std::string claimed;  // whom the certificate names otherwise, comma-separated
    std::string via;      // the front that handed the certificate on; then the TLS facts are those of its connection
    std::string contact;  // of a denial: whom to call about the partner
    std::string rule;     // FILE:LINE of the identity
    std::string matched;  // its selectors
    std::string grant;    // FILE:LINE
    std::string purpose;  // "serverAuth" where the partner's MTLSPurpose let it in
    std::string gate;     // FILE:LINE

    std::string vhost;   // NAME:PORT
    std::string client;  // address
    std::string http;    // "1.1", "2"
    std::string method;
    std::string path;
    std::string request_id;
    int status = 0;  // the answer's, where it is known already

    std::string tls;  // "1.3"
    bool resumed = false;

    std::string subject;  // RFC 4514
    std::string san;
    std::string issuer;
    std::string issuer_spki;  // hex
    std::string serial;
    std::string not_after;  // RFC 3339
    std::string sha256;     // hex

    std::string generation;
    std::int64_t duration = -1;  // nanoseconds; negative: not measured
};

// For the error log, without "mtls_authz: ": printable ASCII, one line, with the sentence of its reason. `verb`:
// "denied", "granted", "would-deny".
std::string denial_line(const Account& account, std::string_view verb);

// For the audit log: a JSON object (RFC 8259) in ASCII and a newline, at most kMostAuditBytes. What is too long is cut
// and ends in "...". docs/audit-log.schema.json describes it.
std::string audit_line(const Account& account);

}  // namespace mtls
