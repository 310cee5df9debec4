// mtls-authz fetch: what refuses and whom to trust, from the servers that the policy's CAs name.
#pragma once

#include <string>
#include <vector>

namespace mtls::tool {

struct FetchOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    std::vector<std::string> server_cas;
    std::string into;                       // folder
    std::vector<std::string> crls;          // [CA-FILE=]URL
    std::vector<std::string> responders;    // the same
    std::vector<std::string> bundles;       // TRUST-DOMAIN=URL[,SPIFFE-ID]
    std::vector<std::string> certificates;  // files and folders, to ask responders about
    std::vector<std::string> audit_logs;    // whose grants name certificates to ask about
    std::vector<std::string> networks;      // CIDR blocks that may be asked though they are not public
    std::string proxy;
    std::string web_ca;
    long timeout = 60;          // seconds for one answer
    std::size_t most_mib = 64;  // of one list
    bool dry_run = false;
    bool json = false;
};
// Fetches everything once. kFine where all is as new as it can be had, kErrorsFound where something could not be
// fetched or was refused, kNotDone where nothing could be done, or a file of the command line cannot be read.
int fetch(const FetchOptions& options);

}  // namespace mtls::tool
