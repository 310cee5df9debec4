// Finds the signers of the CRLs that count on a verified path.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mtls_authz/trust/crl.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// The CAs above a certificate, by names and signatures only, up to the nearest anchors.
struct Ancestry {
    std::vector<X509Ptr> anchors;  // only the certificate itself, if it is one
    std::vector<X509Ptr> between;
};
Ancestry ancestry_of(X509& certificate, const CasByName& cas, const CasByName& anchors);
// Those of mod_ssl's CAs that no other one of them issued. mod_ssl trusts all of them; these tell whether two of them
// are keys of one CA. Borrows `certificates`.
CasByName topmost_of(const std::vector<X509Ptr>& certificates);
// The certificates for which a list in `crls` counts for nothing, though it bears their issuer's name, for a warning
// when it is read; "" if there are none, or if no CA of `cas` signed it.
std::string find_gap(const CrlSet& crls, const Crl& list, const CasByName& cas, const CasByName& anchors);

// RFC 5280 6.3.3 (f): the signer's subject is the list's issuer, and its path ends at the same anchor. So a CA's key
// before or after a rollover counts, and a separate key for CRLs, but not another CA with the same name. A list is of
// another CA only if the certificates of the policy prove it: a client could withhold its own, and what earlier clients
// sent must not decide. One object serves one verified path; it borrows all arguments.
class CrlSignerSearch {
public:
    struct Context {
        CasByName trusted_files;                     // of the policy, and of mod_ssl if that is the anchor
        CasByName all_cas;                           // of the policy, at any time, and of mod_ssl
        CasByName cas_in_files;                      // those of them that no partner writes: see CaDirectory
        CasByName all_anchors;                       // those of them at which a path may end
        bool by_server = false;                      // the anchor is mod_ssl's
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
    std::string find_fault(const Crl& list) const;
    std::vector<X509Ptr> anchors() const;
    bool is_another_of_anchor(const X509& signer) const;
    bool is_revoked(const std::vector<X509Ptr>& path) const;

    const std::vector<X509Ptr>& chain_;
    const CrlSets crls_;
    const Context context_;
    std::vector<std::int64_t>& edges_;
    std::map<std::pair<std::string, std::size_t>, CrlSigner> classified_;  // by SHA-256 of the signer and index
};

}  // namespace mtls
