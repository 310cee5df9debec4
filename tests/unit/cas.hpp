// CAs by their names and keys, for claims about paths and about who signed CRLs.
#pragma once

#include <openssl/evp.h>

#include <string>
#include <vector>

#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/public_key.hpp"
#include "pki.hpp"

namespace test {

inline CertSpec ca_spec(const std::string& cn) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    return spec;
}

inline std::vector<mtls::CaDigests> digests_of(const std::vector<mtls::X509Ptr>& cas) {
    std::vector<mtls::CaDigests> out;
    for (const auto& ca : cas) out.push_back({mtls::certificate_sha256(*ca), mtls::spki_sha256(*ca)});
    return out;
}

inline mtls::EvpPkeyPtr key_of(const Identity& id) {
    EVP_PKEY_up_ref(id.key.get());
    return mtls::EvpPkeyPtr(id.key.get());
}

}  // namespace test
