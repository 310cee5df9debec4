// Certificates in the wrappings that people are sent: PEM, DER and PKCS#7.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class Wrapping {
    kAny,
    kPlainPem,  // blocks of CERTIFICATE and X509 CERTIFICATE alone
};

// All certificates of a file: PEM blocks (CERTIFICATE, X509 CERTIFICATE, TRUSTED CERTIFICATE, PKCS7, CMS; other blocks
// are passed over), or DER of certificates or of one PKCS#7. At least one; an error, which completes the sentence "FILE
// ...", where there is none or anything cannot be decoded. It names what the file is instead, with the way out.
// OpenSSL's trust settings (TRUSTED CERTIFICATE) are dropped; an error where they speak against a client certificate.
Result<std::vector<X509Ptr>> decode_certificates(const std::string& content, Wrapping wrapping = Wrapping::kAny);

}  // namespace mtls
