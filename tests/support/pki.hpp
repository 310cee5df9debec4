// Generates certificates of any form that a test needs. No key is ever written to the repository.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"

namespace test {

// An attribute of a name: type as OpenSSL spells it (or dotted), raw bytes, and the ASN.1 string type.
struct Attr {
    std::string type;
    std::string value;
    int tag = V_ASN1_UTF8STRING;
    bool joined = false;  // in the same RDN as the previous one
};

// An extension by OID with its raw DER.
struct RawExtension {
    std::string oid;
    std::string der;
};

struct Identity;

struct CertSpec {
    std::vector<Attr> subject;
    std::vector<std::pair<int, std::string>> san;  // GEN_DNS, GEN_URI, GEN_EMAIL, GEN_IPADD with raw bytes
    std::int64_t not_before = -3600;               // seconds from now
    std::int64_t not_after = 86400;
    std::string eku = "clientAuth";  // as in OpenSSL's configuration; empty: none
    bool ca = false;
    bool basic_constraints = true;
    std::string key_usage;
    std::string name_constraints;
    const Identity* crl_issuer = nullptr;  // cRLIssuer of a distribution point
    std::string crl_points;                // crlDistributionPoints as in OpenSSL's configuration
    std::vector<RawExtension> raw;
    // More extensions by NID, as in OpenSSL's configuration.
    std::vector<std::pair<int, std::string>> extensions;
    int path_length = -1;             // pathLenConstraint of a CA; -1: none
    bool key_identifiers = true;      // subject's and authority's
    std::vector<Attr> issuer_name;    // replaces the issuer's name
    std::string key_algorithm;        // replaces the OID of the public key's algorithm
    std::string signature_algorithm;  // replaces the OID of the signature's algorithm
    std::string serial;               // hex; empty: a random one
    const char* digest = "SHA256";
    int version = 2;  // X.509 v3
};

struct Identity {
    mtls::X509Ptr cert;
    mtls::EvpPkeyPtr key;

    std::string cert_pem() const;
    std::string key_pem() const;
    std::string pem() const { return cert_pem() + key_pem(); }
};

// With OpenSSL's trust settings, as `openssl x509 -addtrust` and `-addreject` write them; 0: none.
std::string trusted_pem_of(const Identity& who, int trusted, int rejected);

mtls::EvpPkeyPtr make_key();
// Signs with `issuer`; null: with its own key.
Identity issue(const CertSpec& spec, const Identity* issuer, mtls::EvpPkeyPtr key = {});
Identity make_ca(const std::string& cn, const Identity* issuer = nullptr, mtls::EvpPkeyPtr key = {});
// A client certificate CN=cn,O=org,C=US with one DNS SAN.
Identity make_client(const std::string& cn, const std::string& dns, const Identity& ca);
Identity copy_of(const Identity& other);
// The same certificate with its signature (r, s) as (r, n - s): as valid, and of another fingerprint.
Identity twin_of(const Identity& who, const Identity& issuer);

struct CrlSpec {
    std::vector<std::pair<const Identity*, long>> revoked = {};  // with the CRLReason, or -1
    std::int64_t this_update = -3600;                            // seconds from now
    std::int64_t next_update = 86400;
    bool has_next_update = true;
    long number = 1;       // 0: none
    long base = 0;         // of a delta CRL; 0: a complete one
    std::string idp = {};  // issuingDistributionPoint as in OpenSSL's configuration
    std::vector<RawExtension> raw_critical = {};
    const Identity* entry_issuer = nullptr;  // certificateIssuer of the first entry, for an indirect CRL
};
// PEM, signed by `signer`, with its name as issuer.
std::string make_crl(const Identity& signer, const CrlSpec& spec);

std::string hex_sha256(const Identity& id);

// Sets `time`, or a new one for null, to `now` and `offset` seconds: also past 2038 where time_t has 32 bits.
ASN1_TIME* set_time(ASN1_TIME* time, std::time_t now, std::int64_t offset);
std::string der_utf8(const std::string& text);

}  // namespace test
