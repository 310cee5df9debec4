// The error log: one line for a denial, with all that is known and what to do; the same line thousands of times as a
// count.
#pragma once

#include <cstdint>
#include <functional>

#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Denials at `error` (no-certificate at `info`), would-deny at `warn`, grants at `debug`.
int level_of(Outcome outcome, Reason reason);

void log_account(request_rec* r, const Account& account, int level);

// Writes how many lines were left out in the minutes that are over.
void log_left_out(const server_rec* s);

// "NAME:PORT"
std::string vhost_text(const server_rec* s, const conn_rec* c);

// The account's words about the certificate itself.
void describe_certificate(const CertificateText& text, Account& account);

// "denied reason=REASON claimed=NAME sha256=HEX". `who`: the partner, or whom the certificate claims to be. Both may be
// empty; `sha256`: raw.
std::string about(Outcome outcome, Reason reason, const std::string& who, std::string_view sha256);

// Whether the line of the kind with this key is to be written; else it is counted. `about`: asked for what is shown
// with the count, when there are lines of a new kind.
bool is_admitted(const server_rec* s, std::uint64_t key, int level, const std::function<std::string()>& about);

// In a child, on a denial or a refused handshake that is logged: notes a certificate that names partners (`claimed`,
// comma-separated) by an issuer that none of them has. Neither waits nor locks.
void note_unknown_issuer(const CertificateFacts& facts, const std::string& claimed, std::string_view reason) noexcept;

}  // namespace mtls::httpd
