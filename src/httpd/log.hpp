// The error log: one line for a denial, with all that is known and what to do; the same line thousands of times as a
// count.
#pragma once

#include "httpd.hpp"
#include "mtls_authz/account.hpp"
#include "mtls_authz/certificate_facts.hpp"

namespace mtls::httpd {

// Denials at `error` (no-certificate at `info`), would-deny at `warn`, grants at `debug`.
int level_of(Outcome outcome, Reason reason);

void log_account(request_rec* r, const Account& account, int level);

// Writes how many lines were left out in the minutes that are over.
void log_left_out(const server_rec* s);

// "NAME:PORT"
std::string vhost_text(const server_rec* s, const conn_rec* c);

// The account's words about the certificate itself.
void describe_certificate(const CertificateFacts& facts, Account& account);

// What lines that are limited have in common. `who`: the partner, or whom the certificate claims to be; may be empty.
std::string about(Outcome outcome, Reason reason, const std::string& who);

// Whether the line of this kind is to be written; else it is counted. `about`: what is shown with the count.
bool is_admitted(const server_rec* s, const std::string& about, std::string_view certificate, int level);

}  // namespace mtls::httpd
