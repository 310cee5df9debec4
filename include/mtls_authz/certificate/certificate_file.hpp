// Decodes files of certificates and CRLs: PEM, DER and PKCS#7.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class Wrapping {
    kAny,
    kPlainPem,  // only blocks of CERTIFICATE and X509 CERTIFICATE, among anything else
};

// What a file holds: PEM blocks (CERTIFICATE, X509 CERTIFICATE, TRUSTED CERTIFICATE, X509 CRL, PKCS7, CMS), DER of
// certificates and CRLs at its front, behind a block and on lines of their own, or DER of one PKCS#7. Beside them
// explanatory text is allowed (RFC 7468 2); anything that may be a certificate or CRL which is not read is a fault.
struct FileObjects {
    struct Fault {
        std::string what;       // completes the sentence "FILE ..."
        std::string_view part;  // of the content, from the fault on
    };
    std::vector<X509Ptr> certificates;
    std::vector<X509CrlPtr> lists;
    std::vector<Fault> faults;
    const char* instead = nullptr;  // completes the sentence "FILE ..." about a file of another kind
};
// `content` must outlive the faults.
FileObjects read_objects(std::string_view content, Wrapping wrapping = Wrapping::kAny);

// Whether a line, indented or quoted or not, is the first one of a certificate or CRL in base64.
bool begins_base64(std::string_view line);

// All certificates of a file, as read_objects() reads it. An error if there is no certificate, or a fault; it completes
// the sentence "FILE ...", says what the file is instead, and how to convert it. OpenSSL's trust settings (TRUSTED
// CERTIFICATE) are dropped; an error if they exclude client certificates.
Result<std::vector<X509Ptr>> decode_certificates(const std::string& content, Wrapping wrapping = Wrapping::kAny);

// The certificates as PEM, one behind the other.
std::string encode_certificates(const std::vector<X509Ptr>& certificates);

// Whether a file holds a private key: in PEM beside anything else, in DER (PKCS#8, encrypted or not, or the older forms
// of each algorithm), or in PKCS#12.
bool holds_private_key(std::string_view content);

// Completes the sentence "FILE ..." about a file that holds no CRL: what it is instead, and what to do with it.
std::string describe_no_crl(const FileObjects& found, std::string_view content);

}  // namespace mtls
