// The socket at which the keeper answers mtls-authz --live. The parent creates it in httpd's runtime directory: so root
// owns it, and neither the keeper nor a child can replace it.
#pragma once

#include <string>

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Path of the socket.
std::string live_socket_path(apr_pool_t* pool);

// In the parent, before the keeper starts. On failure the log says why, and the server runs without the socket.
void open_live_socket(apr_pool_t* pconf, server_rec* s);
// In the keeper: starts the answering thread, if there is a socket.
void serve_live(const server_rec* s);
// In a child: closes the descriptors, so that the child can neither answer for the keeper nor hand it another socket.
void leave_live_socket() noexcept;
// Hook (monitor): re-creates the socket if its file is gone, and passes it to the keeper.
extern "C" int watch_live_socket(apr_pool_t* pool, server_rec* s);

}  // namespace mtls::httpd
