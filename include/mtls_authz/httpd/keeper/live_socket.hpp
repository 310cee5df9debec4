// The socket at which the keeper tells mtls-authz --live what is in force. The parent makes it, in httpd's runtime
// directory: so it is root's, and neither the keeper nor a child could put another one there.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Where it is.
std::string live_socket_path(apr_pool_t* pool);

// In the parent, before the keeper is started. Without a socket all else goes on; the log says why there is none.
void open_live_socket(apr_pool_t* pconf, server_rec* s);
// In the keeper: a thread that answers, where there is a socket.
void serve_live(const server_rec* s);
// In a child: from here on it can neither answer in the keeper's place nor hand it another socket.
void leave_live_socket() noexcept;
// Hook (monitor): makes the socket anew where its file is gone, and hands it to the keeper.
extern "C" int watch_live_socket(apr_pool_t* pool, server_rec* s);

}  // namespace mtls::httpd
