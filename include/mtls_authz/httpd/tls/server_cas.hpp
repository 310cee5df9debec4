// What mod_ssl was given for a virtual host: its CAs and CRLs, for partners whose trust anchor is mod_ssl.
#pragma once

#include "mtls_authz/httpd/config/httpd.hpp"

struct ssl_ctx_st;

namespace mtls::httpd {

// Copies them at start, those in folders included, so that no request ever looks into one.
void copy_server_cas(server_rec* s, ssl_ctx_st* ctx);

}  // namespace mtls::httpd
