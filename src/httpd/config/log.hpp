// The error log: one line per denial with all facts and advice; repeated lines are only counted.
#pragma once

#include <cstdint>
#include <functional>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/tell/account.hpp"

namespace mtls::httpd {

// Denials at `error` (no-certificate at `info`), would-deny at `warn`, grants at `debug`.
int level_of(Outcome outcome, Reason reason);

void log_account(request_rec* r, const Account& account, int level);

// Logs the number of dropped lines of each minute that is over.
void log_left_out(const server_rec* s);

// Of each file the first 20, and how many more there are.
std::vector<Diagnostic> first_of_each_file(const std::vector<Diagnostic>& findings);

// "NAME:PORT"
std::string vhost_text(const server_rec* s, const conn_rec* c);

// "denied reason=REASON claimed=NAME sha256=HEX". `who`: the partner, or the one that the certificate claims. Both may
// be empty.
std::string about(Outcome outcome, Reason reason, const std::string& who, const std::string& sha256);

// Whether to log the line with this key; else it is counted. `about`: called for the first line of a kind; its text is
// shown with the count.
bool is_admitted(const server_rec* s, std::uint64_t key, int level, const std::function<std::string()>& about);

// In a child, for a logged denial or refused handshake: records a certificate that claims partners (`claimed`,
// comma-separated) and whose issuer is none of their CAs. Lock-free.
void note_unknown_issuer(const CertificateFacts& facts, const std::string& claimed, std::string_view reason) noexcept;

}  // namespace mtls::httpd
