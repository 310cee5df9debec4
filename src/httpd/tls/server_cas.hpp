// mod_ssl's CAs and CRLs for a virtual host, for partners with `MTLSTrustAnchor mod_ssl`.
#pragma once

#include "httpd/config/httpd.hpp"

struct ssl_ctx_st;

namespace mtls::httpd {

// Copies them at start, also from folders, so that no request ever reads a folder.
void copy_server_cas(server_rec* s, ssl_ctx_st* ctx);

}  // namespace mtls::httpd
