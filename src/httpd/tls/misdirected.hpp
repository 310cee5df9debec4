// MTLSClientCA is per virtual host: what its handshakes trust must not open another virtual host on the same
// connection.
#pragma once

namespace mtls::httpd {

// Hooked if some virtual host trusts live anchors. A request to one that does not gets 421 (RFC 9110 15.5.20) if
// mod_ssl's own CAs have not verified the connection's certificate, with or without a gate there: mod_ssl calls such a
// certificate verified, and rules on SSL_CLIENT_* trust that.
void hook_misdirection();

}  // namespace mtls::httpd
