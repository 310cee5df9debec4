// No handler runs for a request that authorization did not let in.
#pragma once

namespace mtls::httpd {

// Modules can run a subrequest without looking at its status (mod_auth_form does, with a method that the client chose).
// Where this module denied such a request, or where a gate, a Require mtls-* or AuthType MTLS is in force and fixups
// did not end well, its handler answers 403.
void hook_handler_guard();

}  // namespace mtls::httpd
