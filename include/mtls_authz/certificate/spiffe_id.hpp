// SPIFFE IDs, and the certificates that carry one (SPIFFE-ID 2, X509-SVID 2 and 5).
#pragma once

#include <string>
#include <string_view>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// In front of the file of an MTLSTrustAnchor that is a SPIFFE bundle.
constexpr std::string_view kBundlePrefix = "bundle:";
constexpr std::string_view kSpiffeScheme = "spiffe://";

// Why this cannot be the name of a trust domain: 1 to 255 lower-case letters, digits, '.', '-' and '_', byte by byte.
// "" where it can.
std::string trust_domain_fault(std::string_view name);

// The trust domain of a canonical URI with the scheme spiffe; of another one, empty.
std::string_view trust_domain_of(std::string_view uri);

// What svid_fault() says first.
constexpr std::string_view kNoSvid = "the certificate is no X509-SVID of the trust domain ";

// Why a certificate is no X509-SVID of this trust domain: one has exactly one URI, which is a SPIFFE ID in it with a
// path, byte by byte, and is neither a CA nor signs. "" where it is one.
std::string svid_fault(const CertificateFacts& facts, std::string_view trust_domain);

}  // namespace mtls
