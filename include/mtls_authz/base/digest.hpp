// SHA-256.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// SHA-256, looked up in OpenSSL's providers once: EVP_sha256() is looked up at each use, for as much as a certificate's
// digest costs.
const EVP_MD& sha256_algorithm();

class Sha256 {
public:
    Sha256();
    void add(std::string_view piece);
    // The raw digest. Call once, after the last add().
    std::string finish();

private:
    std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>> context_;
};

}  // namespace mtls
