// CAs by their names and keys, for claims about paths and about who signed CRLs.
#pragma once

#include <openssl/evp.h>

#include <string>

#include "mtls_authz/base/openssl_types.hpp"
#include "pki.hpp"

namespace test {

inline CertSpec ca_spec(const std::string& cn) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    return spec;
}

inline mtls::EvpPkeyPtr key_of(const Identity& id) {
    EVP_PKEY_up_ref(id.key.get());
    return mtls::EvpPkeyPtr(id.key.get());
}

}  // namespace test
