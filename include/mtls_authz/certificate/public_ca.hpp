// Detects CAs that issue certificates to the public, as far as this can be detected.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// The dates of the change, for messages.
constexpr const char* kPublicCasStop =
    "public CAs make them (by new sub-CAs from 2026-06-15 on, all from 2027-03-15 on)";

// Whether its extendedKeyUsage contains serverAuth but not clientAuth.
bool is_for_servers_alone(const CertificateFacts& facts);

// Why anyone may get a certificate from this CA, for messages: this system trusts the CA or its issuer (OpenSSL's
// default file and folder), or the certificate has a policy of the CA/Browser Forum. "" if neither holds, which does
// not prove that the CA is private. Reads files.
std::string why_public_ca(const X509& ca);

// The same for several CAs: reads the system's certificates once.
class PublicCas {
public:
    PublicCas();
    ~PublicCas();
    PublicCas(const PublicCas&) = delete;
    PublicCas& operator=(const PublicCas&) = delete;
    std::string why(const X509& ca);

private:
    class SystemStore;
    std::unique_ptr<SystemStore> store_;
};

}  // namespace mtls
