// The CAs of a policy, and the addresses that their certificates name.
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
    std::string file;       // as the policy spells it
    std::string name;       // canonical subject
    std::string name_text;  // RFC 4514
    std::string issuer;     // canonical
    std::string key;        // SHA-256 of its SubjectPublicKeyInfo, raw
    std::int64_t not_after = 0;

    PolicyCa(X509Ptr of, std::string file_of_it);
    // Whether its key signed `certificate`, which bears its name as issuer.
    bool issued(const X509& certificate) const;
};
using PolicyCas = std::vector<std::shared_ptr<const PolicyCa>>;

struct Sources {
    std::map<std::string, PolicyCas> partners;  // by name; "" for what is outside of a partner
    std::vector<Diagnostic> findings;           // what of the policy cannot be read
    bool unreadable = false;                    // nothing can: a file or pattern of the command line

    PolicyCas all() const;  // each certificate once
};
// Reads CA certificates off policy files, patterns of them, or "-". A line that is wrong is a finding and holds up no
// other: revocation has to go on while somebody mends a policy. Paths *in* them are under `root`. Certificates and
// anchors that have ended by `now` are left out. `server_cas`: files of CAs that mod_ssl was given.
Sources read_sources(const std::vector<std::string>& policy, const std::string& root,
                     const std::vector<std::string>& server_cas, std::int64_t now);

// One distribution point of a certificate: its http and https addresses, each of which has the same list.
struct ListPoint {
    std::string issuer;  // canonical name that the list has to bear
    std::vector<std::string> urls;
};
std::vector<ListPoint> list_points(const X509& certificate);
// The responders of authorityInfoAccess.
std::vector<std::string> responder_urls(const X509& certificate);

}  // namespace mtls::tool
