// Handshakes that are refused before any gate is asked: who it was, and why.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

struct ssl_st;
struct x509_store_ctx_st;

namespace mtls::httpd {

// At start, before note_connection() is called from any thread.
void reserve_connection_index(const server_rec* s);

// Remembers for OpenSSL's callbacks which connection an SSL* belongs to; null: none that was noted.
void note_connection(ssl_st* ssl, conn_rec* c);
conn_rec* connection_of(const ssl_st* ssl);

// Logs and counts that the verification of this chain failed.
void report_refused_handshake(const server_rec* s, x509_store_ctx_st* ctx, ssl_st* ssl);

}  // namespace mtls::httpd
