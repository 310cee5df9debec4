// Fetches CRLs into crl/, where an MTLSCRLFile reads them.
#pragma once

#include <string>
#include <vector>

#include "client.hpp"
#include "report.hpp"
#include "sources.hpp"
#include "store.hpp"

namespace mtls::tool {

// One list: where it can be had, and who may have signed it.
struct ListJob {
    std::string file;               // below the folder: crl/acme-ca-1a2b3c4d.crl
    std::vector<std::string> urls;  // each has the same list: asked in turn until one gives it
    std::string issuer;             // canonical name that it has to bear; empty: any CA's of the policy
    PolicyCas signers;              // those that bear the name, of the partners for whom it counts
};

// An address that was named: --crl [CA-FILE=]URL, and so for --ocsp.
struct NamedAddress {
    std::string ca_file;  // empty: any CA of the policy
    std::string url;

    static NamedAddress parse(const std::string& text);
    // The CAs of the policy that it is about: those with the name and key of a CA of the file, and those with the name
    // of the same partner.
    Result<PolicyCas> cas_of(const Sources& sources) const;
};

// The lists of the distribution points of the policy's certificates, and of named addresses. A distribution point says
// where its certificate's *issuer* has a list, so it counts where that is a CA of the same partner. Reports what is
// wrong with named addresses, and CAs of which no list is known; `hints`: addresses in certificates that these issued,
// by canonical name, which are shown and never asked.
std::vector<ListJob> find_lists(const Sources& sources, const std::vector<NamedAddress>& named,
                                const std::map<std::string, std::string>& hints, Report& report);

// Asks, and judges what comes: one CRL, of that issuer, signed by one of these CAs, of the scope of the list at hand
// and not older. Writes nothing. Thread-safe while nobody writes into `store`.
FetchedFile fetch_list(const ListJob& job, const Store& store, const Client& client, std::size_t limit,
                       std::int64_t now);

}  // namespace mtls::tool
