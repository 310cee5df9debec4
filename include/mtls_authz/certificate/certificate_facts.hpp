// What the module knows of a certificate: every field that a selector can name, typed, with lengths, read once
// per connection. Nothing here says that the certificate is genuine; that is trust.hpp's business.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/certificate/key_type.hpp"

namespace mtls {

struct OtherName {
    std::string oid;    // dotted
    std::string value;  // text of a DER string, else "#" and the hex of the DER
};

struct Extension {
    std::string oid;
    std::string value;  // the octets inside extnValue
};

struct CertificateFacts {
    DistinguishedName subject;
    DistinguishedName issuer;
    std::string serial;                          // lower-case hex without leading zeros, "-" in front where negative
    std::string sha256;                          // 32 raw bytes, of the whole certificate
    std::string spki_sha256;                     // 32 raw bytes, of SubjectPublicKeyInfo (as RFC 7469 pins it)
    std::vector<std::string> other_spki_sha256;  // of the same key in other encodings, as key_forms() has them
    KeyType key;
    std::string serial_octets;    // of a negative one: its two's complement in hex, as some tools print it; else empty
    std::int64_t not_before = 0;  // seconds since the epoch, both inclusive (RFC 5280 4.1.2.5)
    std::int64_t not_after = 0;

    // subjectAltName (RFC 5280 4.2.1.6), in encoded order, bytes as they stand.
    std::vector<std::string> dns;
    std::vector<std::string> email;
    std::vector<std::string> uri;
    std::vector<std::string> ip;       // 4 or 16 raw bytes
    std::vector<std::string> upn;      // otherName 1.3.6.1.4.1.311.20.2.3 with a UTF8String
    std::vector<std::string> odd_upn;  // the same in another string type
    std::vector<OtherName> other_name;
    std::vector<DistinguishedName> dir_name;
    std::vector<std::string> rid;

    std::vector<std::string> eku;       // dotted OIDs
    std::vector<std::string> policies;  // dotted OIDs
    std::vector<std::string> qc_roles;  // dotted OIDs of rolesOfPSP (ETSI TS 119 495)
    std::vector<std::string> qc_types;  // dotted OIDs of QcType (ETSI EN 319 412-5)
    std::vector<Extension> extensions;
    bool is_ca = false;               // basicConstraints says CA
    bool signs_certificates = false;  // keyUsage has keyCertSign or cRLSign
    bool no_rev_avail = false;        // its issuer publishes no revocations of it (RFC 9608)

    // Empty, or why this is a `malformed-certificate`. What was readable stands in the other fields all the same.
    std::string malformed;
};

// What pins on a CA compare: raw SHA-256 of the certificate, and of its SubjectPublicKeyInfo. Of a certificate's ECDSA
// twin (ecdsa_twin.hpp) the first alone: the second is empty.
struct CaDigests {
    std::string sha256;
    std::string spki_sha256;
};

// Work is linear in the size of the certificate. Never fails; what is wrong stands in `malformed`.
CertificateFacts read_facts(const X509& certificate);

// Raw SHA-256 of the certificate and of its SubjectPublicKeyInfo.
std::string certificate_sha256(const X509& certificate);
std::string spki_sha256(const X509& certificate);
// Raw SHA-256 of each SubjectPublicKeyInfo that the same key may have, the usual one first: an elliptic curve's point
// uncompressed, compressed or hybrid (RFC 5480 2.2), an RSA key under rsaEncryption or id-RSASSA-PSS (RFC 4055 1.2). Of
// other keys, and curves over binary fields, the one that the certificate has.
std::vector<std::string> key_forms(const X509& certificate);
// The first of them: what tells keys apart, however a certificate encodes them.
std::string key_sha256(const X509& certificate);

// "203.0.113.7" or "2001:db8::1" of 4 or 16 raw bytes.
std::string ip_text(std::string_view raw);

// Every SAN as TYPE:value, comma-separated, for people; stops when `limit` bytes are reached.
std::string san_text(const CertificateFacts& facts, std::size_t limit);

// A certificate in words: for logs, pages and events.
struct CertificateText {
    std::string subject;  // RFC 4514
    std::string issuer;
    std::string san;         // san_text(), up to 256 bytes and the name that exceeds them
    std::string serial;      // lower-case hex
    std::string not_before;  // RFC 3339
    std::string not_after;
    std::string sha256;  // lower-case hex

    explicit CertificateText(const CertificateFacts& facts);
};

// Seconds since the epoch of an ASN.1 time in the form that RFC 5280 4.1.2.5 has, with seconds and Z, without fraction
// or offset; nothing where it is another one.
std::optional<std::int64_t> epoch_of(const ASN1_TIME* time);

}  // namespace mtls
