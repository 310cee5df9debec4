// Finds the signers of the CRLs that count on a verified path.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mtls_authz/trust/crl.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// RFC 5280 6.3.3 (f): the signer's subject is the list's issuer, and its path ends at the same anchor. So a CA's key
// before or after a rollover counts, and a separate key for CRLs, but not another CA with the same name. One object
// serves one verified path; it borrows all arguments.
class CrlSignerSearch {
public:
    struct Context {
        CasByName trusted_files;                     // of the policy, and of mod_ssl if that is the anchor
        std::function<std::vector<Link>()> helpers;  // certificates that may connect a signer to the anchor
        const std::vector<X509Ptr>& presented;       // by the client; signers if they have a path of their own
        int security_level = 1;
        std::int64_t now = 0;
    };
    // Appends to `edges` each instant at which an answer may change, except dates of certificates.
    CrlSignerSearch(const std::vector<X509Ptr>& chain, CrlSets crls, Context context, std::vector<std::int64_t>& edges)
        : chain_(chain), crls_(std::move(crls)), context_(std::move(context)), edges_(edges) {}

    // For the certificate at this index of the path.
    CrlSigners signers_for(std::size_t certificate);

private:
    std::vector<X509Ptr> named(const std::string& name, std::size_t certificate);
    CrlSigner classify(X509& signer, std::size_t certificate);
    CrlSigner classify_uncached(X509& signer, const std::string& digest, std::size_t certificate) const;
    bool is_another_of_anchor(const X509& signer) const;
    bool is_revoked(const std::vector<X509Ptr>& path) const;

    const std::vector<X509Ptr>& chain_;
    const CrlSets crls_;
    const Context context_;
    std::vector<std::int64_t>& edges_;
    std::map<std::pair<std::string, std::size_t>, CrlSigner> classified_;  // by SHA-256 of the signer and index
};

}  // namespace mtls
