// Blocks handlers for requests that authorization did not grant.
#pragma once

namespace mtls::httpd {

// Modules can run a subrequest without checking its status (mod_auth_form does, with a method that the client chose).
// If this module denied such a request, or if a gate, a Require mtls-* or AuthType MTLS applies and fixups did not
// succeed, the handler returns 403.
void hook_handler_guard();

}  // namespace mtls::httpd
