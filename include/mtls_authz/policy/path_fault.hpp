// Why OpenSSL rejected the path of a denied certificate, read from the denial's detail.
#pragma once

#include <string_view>

#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls {

// kOther for a detail that begins with none of OpenSSL's texts.
HandshakeRefusal path_fault_in(std::string_view detail);

}  // namespace mtls
