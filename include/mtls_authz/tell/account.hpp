// The record of one decision. The error log and the audit log are written from it, with the same words.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/policy/outcome.hpp"
#include "mtls_authz/policy/reason.hpp"

namespace mtls {

constexpr std::size_t kMostNameBytes = 256;    // limit for a subject, an issuer, the SANs, a detail
constexpr std::size_t kMostPathBytes = 512;    // without the query
constexpr std::size_t kMostAuditBytes = 4096;  // limit for a line: a pipe writes up to PIPE_BUF bytes atomically

// Texts are as in the certificate, request or configuration, and are escaped on output. Empty: not known.
struct Account {
    std::int64_t time = 0;  // microseconds since the epoch
    Outcome outcome = Outcome::kDeny;
    Reason reason = Reason::kInternalError;
    std::string detail;
    std::string partner;  // the identified partner, if the request was granted or let through
    std::string claimed;  // other partners that the certificate claims, comma-separated
    std::string via;      // the front that forwarded the certificate; the TLS facts are then of the front's connection
    std::string contact;  // of a denial: the partner's MTLSContact
    std::string rule;     // FILE:LINE of the identity
    std::string matched;  // its selectors
    std::string grant;    // FILE:LINE
    std::string purpose;  // "serverAuth" if the partner's MTLSPurpose accepted the certificate
    std::string directive;  // the Require line or AuthType MTLS that decided, as written; empty: a gate did
    std::string gate;       // FILE:LINE of the rule that decided

    std::string vhost;   // NAME:PORT
    std::string client;  // address
    std::string http;    // "1.1", "2"
    std::string method;
    std::string path;
    std::string request_id;
    int status = 0;  // HTTP status of the answer, if already known

    std::string tls;  // "1.3"
    bool resumed = false;

    std::shared_ptr<const CertificateText> certificate;  // null: the client sent none
    std::string issuer_spki;                             // hex

    std::string generation;
    std::int64_t duration = -1;  // nanoseconds; negative: not measured
};

// The line for the error log, without "mtls_authz: ": printable ASCII, one line, with the sentence for its reason.
// `verb`: "denied", "granted", "would-deny".
std::string denial_line(const Account& account, std::string_view verb);

// The line for the audit log: a JSON object (RFC 8259) in ASCII and a newline, at most kMostAuditBytes. Longer texts
// are cut and end in "...". docs/audit-log.schema.json describes it.
std::string audit_line(const Account& account);

}  // namespace mtls
