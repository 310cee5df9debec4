// MTLSClientCA is a virtual host's own: what its handshakes trust opens no other virtual host on the same connection.
#pragma once

namespace mtls::httpd {

// Where some virtual host trusts live anchors. A request to one that does not, over a connection whose certificate
// mod_ssl's own CAs have not verified, is 421 (RFC 9110 15.5.20), whether or not a gate stands there: mod_ssl calls
// such a certificate verified, and rules on SSL_CLIENT_* believe it.
void hook_misdirection();

}  // namespace mtls::httpd
