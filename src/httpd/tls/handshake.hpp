// Reports handshakes that are refused before any gate: which certificate, and why.
#pragma once

#include "httpd/config/httpd.hpp"
#include "mtls_authz/certificate/session_chain.hpp"

struct ssl_st;
struct x509_store_ctx_st;

namespace mtls::httpd {

// At start, before any thread calls note_connection().
void reserve_connection_index(const server_rec* s);

// Maps an SSL* to its connection, for OpenSSL's callbacks; null: none was noted.
void note_connection(ssl_st* ssl, conn_rec* c);
conn_rec* connection_of(const ssl_st* ssl);

// Logs and counts a failed verification of this chain. `sent`: useful_helpers() of what the client sent.
void report_refused_handshake(const server_rec* s, x509_store_ctx_st* ctx, ssl_st* ssl, SentHelpers sent);

}  // namespace mtls::httpd
