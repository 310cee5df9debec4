// The CAs of a policy, and the addresses in their certificates.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

// A CA certificate of an MTLSTrustAnchor or MTLSIntermediate file.
struct PolicyCa {
    X509Ptr certificate;
    std::string file;       // as spelled in the policy
    std::string name;       // canonical subject
    std::string name_text;  // RFC 4514
    std::string issuer;     // canonical
    std::string key;        // SHA-256 of its SubjectPublicKeyInfo, raw
    std::int64_t not_after = 0;

    PolicyCa(X509Ptr of, std::string file_of_it);
    // Whether its key signed `certificate`, which names it as issuer.
    bool issued(const X509& certificate) const;
};
using PolicyCas = std::vector<std::shared_ptr<const PolicyCa>>;

struct Sources {
    std::map<std::string, PolicyCas> partners;  // by partner name; "" for lines outside of partners
    std::vector<Diagnostic> findings;           // unreadable parts of the policy
    bool unreadable = false;                    // a file or pattern of the command line is unreadable

    PolicyCas all() const;  // each certificate once
};
// Reads CA certificates from policy files, patterns of them, or "-". A wrong line is only a finding: fetching must
// continue while a policy is broken. Paths *in* the files are relative to `root`. Skips certificates and anchors that
// have ended at `now`. `server_cas`: files with mod_ssl's CAs.
Sources read_sources(const std::vector<std::string>& policy, const std::string& root,
                     const std::vector<std::string>& server_cas, std::int64_t now);

// One distribution point of a certificate: its http and https addresses, which all serve the same CRL.
struct ListPoint {
    std::string issuer;  // canonical name that the CRL must have as issuer
    std::vector<std::string> urls;
};
std::vector<ListPoint> list_points(const X509& certificate);
// The OCSP responders in authorityInfoAccess.
std::vector<std::string> responder_urls(const X509& certificate);

}  // namespace mtls::tool
