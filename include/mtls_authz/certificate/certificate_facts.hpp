// The decoded fields of a certificate: every field that a selector can name, typed, with lengths, read once per
// connection. These fields are not verified; trust.hpp verifies certificates.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/published.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/certificate/public_key.hpp"

namespace mtls {

struct OtherName {
    std::string oid;    // dotted
    std::string value;  // the decoded text of a DER string, else "#" and the hex of the DER
};

struct Extension {
    std::string oid;
    std::string value;  // the content of extnValue
};

struct CertificateFacts {
    DistinguishedName subject;
    DistinguishedName issuer;
    std::string serial;                          // lower-case hex without leading zeros; "-" first if negative
    std::string sha256;                          // 32 raw bytes, of the whole certificate
    std::string spki_sha256;                     // 32 raw bytes, of SubjectPublicKeyInfo (as RFC 7469 pins it)
    std::vector<std::string> other_spki_sha256;  // of the other encodings of the same key, see key_forms()
    KeyType key;
    std::string serial_octets;  // the two's complement of a negative serial in hex, as some tools print it; else empty
    std::int64_t not_before = 0;  // seconds since the epoch, both inclusive (RFC 5280 4.1.2.5)
    std::int64_t not_after = 0;

    // subjectAltName (RFC 5280 4.2.1.6): values in encoded order, as the raw bytes.
    std::vector<std::string> dns;
    std::vector<std::string> email;
    std::vector<std::string> uri;
    std::vector<std::string> ip;       // 4 or 16 raw bytes
    std::vector<std::string> upn;      // otherName 1.3.6.1.4.1.311.20.2.3 with a UTF8String
    std::vector<std::string> odd_upn;  // a UPN in another string type
    std::vector<OtherName> other_name;
    std::vector<DistinguishedName> dir_name;
    std::vector<std::string> rid;

    std::vector<std::string> eku;       // dotted OIDs
    std::vector<std::string> policies;  // dotted OIDs
    std::vector<std::string> qc_roles;  // dotted OIDs of rolesOfPSP (ETSI TS 119 495)
    std::vector<std::string> qc_types;  // dotted OIDs of QcType (ETSI EN 319 412-5)
    std::vector<Extension> extensions;
    bool is_ca = false;               // basicConstraints has cA TRUE
    bool signs_certificates = false;  // keyUsage has keyCertSign or cRLSign
    bool no_rev_avail = false;        // noRevAvail: its issuer publishes no revocation information about it (RFC 9608)

    // Empty, or the reason of `malformed-certificate`. The other fields then hold what could be decoded.
    std::string malformed;
};

// The digests that pins on a CA are compared with: raw SHA-256 of the certificate and of its SubjectPublicKeyInfo. For
// a certificate's ECDSA twin (ecdsa_twin.hpp), `spki_sha256` is empty.
struct CaDigests {
    std::string sha256;
    std::string spki_sha256;
};

// Takes time linear in the size of the certificate. Never fails; the first fault is in `malformed`. `sha256`: raw, of
// the certificate; computed if empty.
CertificateFacts read_facts(const X509& certificate, std::string_view sha256 = {});

// Raw SHA-256 of the certificate.
std::string certificate_sha256(const X509& certificate);

// "203.0.113.7" or "2001:db8::1" from 4 or 16 raw bytes.
std::string ip_text(std::string_view raw);

// All SANs as TYPE:value, comma-separated, for display only; stops after `limit` bytes.
std::string san_text(const CertificateFacts& facts, std::size_t limit);

// The text form of a certificate, for logs, pages and events.
struct CertificateText {
    std::string subject;  // RFC 4514
    std::string issuer;
    std::string san;         // san_text(), up to 256 bytes and the name that exceeds them
    std::string serial;      // lower-case hex
    std::string not_before;  // RFC 3339
    std::string not_after;
    std::string sha256;                        // lower-case hex
    MadeOnce<std::string> audit_members = {};  // these as members of an audit line, by audit_line()

    CertificateText() = default;  // no certificate: all empty
    explicit CertificateText(const CertificateFacts& facts);
};

// Seconds since the epoch of an ASN.1 time in the form of RFC 5280 4.1.2.5, with seconds and Z, without fraction or
// offset; nothing for any other form.
std::optional<std::int64_t> epoch_of(const ASN1_TIME* time);

}  // namespace mtls
