// Generates CRLs and distribution points of any form (RFC 5280 4.2.1.13, 5).
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/trust/crl.hpp"
#include "pki.hpp"

namespace test {

// A DistributionPointName; set at most one member.
struct PointName {
    std::vector<std::string> uris = {};
    std::vector<Attr> directory = {};  // fullName
    std::string relative = {};         // nameRelativeToCRLIssuer: a CN
};

struct PointSpec {
    PointName name = {};
    std::vector<const Identity*> crl_issuers = {};
    unsigned reasons = 0;  // bits 1 to 8 of ReasonFlags; 0: absent
};
RawExtension distribution_points(const std::vector<PointSpec>& points);

struct ScopeSpec {
    PointName name = {};
    bool user = false;
    bool ca = false;
    bool attribute = false;
    bool indirect = false;
    unsigned reasons = 0;
    bool critical = true;
};

struct EntrySpec {
    std::string serial;                         // hex
    long reason = -1;                           // CRLReason; -1: none
    std::vector<const Identity*> issuers = {};  // certificateIssuer
    bool unknown_critical = false;              // has an unknown critical extension
};

struct ListSpec {
    const Identity* signer = nullptr;
    const Identity* name = nullptr;  // its subject is the CRL's issuer; null: the signer's
    std::int64_t now = std::time(nullptr);
    std::int64_t this_update = -3600;  // seconds from `now`
    std::optional<std::int64_t> next_update = 86400;
    std::optional<long> number = 1;
    std::optional<long> base = {};  // of a delta CRL
    std::optional<ScopeSpec> scope = {};
    std::vector<EntrySpec> entries = {};
    bool names_key = false;         // has an authorityKeyIdentifier
    bool has_freshest = false;      // has a freshestCRL extension
    bool unknown_critical = false;  // has an unknown critical extension
    bool damaged = false;           // the signature is invalid
};
mtls::X509CrlPtr make_list(const ListSpec& spec);
std::string pem_of(const X509_CRL& list);
std::string der_of(const X509_CRL& list);

// A certificate's serial number, in hex.
std::string serial_of(const Identity& id);

}  // namespace test
