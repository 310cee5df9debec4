// Decodes certificate files: PEM, DER and PKCS#7.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class Wrapping {
    kAny,
    kPlainPem,  // only blocks of CERTIFICATE and X509 CERTIFICATE
};

// All certificates of a file: PEM blocks (CERTIFICATE, X509 CERTIFICATE, TRUSTED CERTIFICATE, PKCS7, CMS; other blocks
// are skipped), or DER of certificates or of one PKCS#7. An error if there is no certificate or if anything cannot be
// decoded; it completes the sentence "FILE ...", says what the file is instead, and how to convert it. OpenSSL's trust
// settings (TRUSTED CERTIFICATE) are dropped; an error if they exclude client certificates.
Result<std::vector<X509Ptr>> decode_certificates(const std::string& content, Wrapping wrapping = Wrapping::kAny);

// The certificates as PEM, one behind the other.
std::string encode_certificates(const std::vector<X509Ptr>& certificates);

// Completes the sentence "FILE ..." about a file that holds no CRL: what it is instead, and what to do with it. Empty
// if that is not known.
std::string describe_no_crl(const std::string& content);

}  // namespace mtls
