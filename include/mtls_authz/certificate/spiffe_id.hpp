// SPIFFE IDs, and certificates that contain one (SPIFFE-ID 2, X509-SVID 2 and 5).
#pragma once

#include <string>
#include <string_view>

#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// The prefix that marks the file of an MTLSTrustAnchor as a SPIFFE bundle.
constexpr std::string_view kBundlePrefix = "bundle:";
constexpr std::string_view kSpiffeScheme = "spiffe://";

// Why `name` is not a valid trust domain: 1 to 255 lower-case letters, digits, '.', '-' and '_'. "" if it is valid.
std::string trust_domain_fault(std::string_view name);

// The trust domain of a canonical spiffe: URI; empty for any other URI.
std::string_view trust_domain_of(std::string_view uri);

// The beginning of every message of svid_fault().
constexpr std::string_view kNoSvid = "the certificate is no X509-SVID of the trust domain ";

// Why a certificate is not an X509-SVID of this trust domain. An X509-SVID has exactly one URI SAN, a SPIFFE ID with a
// path in this domain (compared as bytes), is no CA and has no signing keyUsage. "" if it is one.
std::string svid_fault(const CertificateFacts& facts, std::string_view trust_domain);

}  // namespace mtls
