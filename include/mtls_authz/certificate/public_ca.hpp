// Whether a CA issues certificates to everybody, as far as that can be told.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <string>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// When public CAs stop, in words.
constexpr const char* kPublicCasStop =
    "public CAs make them (by new sub-CAs from 2026-06-15 on, all from 2027-03-15 on)";

// Whether its extendedKeyUsage has serverAuth and not clientAuth.
bool is_for_servers_alone(const CertificateFacts& facts);

// Why this CA's certificates may be anybody's, in words: it, or the CA that issued it, is among those that this system
// trusts (OpenSSL's default file and folder), or it bears a policy of the CA/Browser Forum. "" where neither is known:
// that is no proof that the CA is private. Reads files.
std::string why_public_ca(const X509& ca);

// The same for many: what this system trusts is read once.
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
