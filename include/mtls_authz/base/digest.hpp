// SHA-256 of what comes in pieces.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

class Sha256 {
public:
    Sha256();
    void add(std::string_view piece);
    // Raw; once, after the last piece.
    std::string finish();

private:
    std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>> context_;
};

}  // namespace mtls
