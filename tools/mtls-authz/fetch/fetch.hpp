// mtls-authz fetch: CRLs, OCSP answers and SPIFFE bundles from the servers that the policy's CAs name.
#pragma once

#include <string>
#include <vector>

namespace mtls::tool {

struct FetchOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    std::vector<std::string> server_cas;
    std::string into;                       // output folder
    std::vector<std::string> crls;          // [CA-FILE=]URL
    std::vector<std::string> responders;    // [CA-FILE=]URL
    std::vector<std::string> bundles;       // TRUST-DOMAIN=URL[,SPIFFE-ID]
    std::vector<std::string> certificates;  // files and folders with certificates to ask responders about
    std::vector<std::string> audit_logs;    // their grants name certificates to ask about
    std::vector<std::string> networks;      // CIDR blocks that are allowed although not public
    std::string proxy;
    std::string web_ca;
    long timeout = 60;          // seconds for one answer
    long most_time = 1500;      // seconds for all answers
    std::size_t most_mib = 64;  // for one CRL
    bool dry_run = false;
    bool json = false;
};
// Fetches everything once. kFine if all files are as new as available, kErrorsFound if something could not be fetched
// or was refused, kNotDone if nothing could be done, or a file of the command line is unreadable.
int fetch(const FetchOptions& options);

}  // namespace mtls::tool
