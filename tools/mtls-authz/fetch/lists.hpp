// Fetches CRLs into crl/, which an MTLSCRLFile reads.
#pragma once

#include <string>
#include <vector>

#include "client.hpp"
#include "report.hpp"
#include "sources.hpp"
#include "store.hpp"

namespace mtls::tool {

// One CRL: its addresses, and the CAs that may have signed it.
struct ListJob {
    std::string file;               // below the folder: crl/acme-ca-1a2b3c4d.crl
    std::vector<std::string> urls;  // all serve the same list: asked in turn until one answers
    std::string issuer;             // canonical name that the list must have as issuer; empty: any CA of the policy
    PolicyCas signers;              // CAs of that name, of the partners that the list is for
};

// An address from the command line: --crl [CA-FILE=]URL; also for --ocsp.
struct NamedAddress {
    std::string ca_file;  // empty: any CA of the policy
    std::string url;

    static NamedAddress parse(const std::string& text);
    // The CAs of the policy that the address is for: those with name and key of a CA in ca_file, and those of the same
    // partner with that name.
    Result<PolicyCas> cas_of(const Sources& sources) const;
};

// The CRLs at the distribution points of the policy's certificates, and at named addresses. A distribution point names
// a CRL of the certificate's *issuer*: it is used if that is a CA of the same partner. Reports faults of named
// addresses, and CAs without a known CRL; `hints`: addresses in certificates of these issuers, by canonical name, which
// are shown but never asked.
std::vector<ListJob> find_lists(const Sources& sources, const std::vector<NamedAddress>& named,
                                const std::map<std::string, std::string>& hints, Report& report);

// Fetches and checks a CRL: exactly one, of that issuer, signed by one of these CAs, with the scope of the stored one
// and not older. Writes nothing. Thread-safe while no thread writes into `store`.
FetchedFile fetch_list(const ListJob& job, const Store& store, const Client& client, std::size_t limit,
                       std::int64_t now);

}  // namespace mtls::tool
