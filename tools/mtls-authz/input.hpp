// What the commands read: certificates in any of their wrappings, and policies. Names on the command line belong to the
// current folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls::tool {

// The content of a file, or of standard input for "-": at most 16 MiB.
Result<std::string> read_input(const std::string& file);

// The first certificate of a file, with the others as what its client would send, and those of `more`.
Result<std::shared_ptr<const PresentedCertificate>> read_client(const std::string& file,
                                                                const std::vector<std::string>& more);

struct PolicyInput {
    std::shared_ptr<const Policy> policy;  // null where it has errors
    std::vector<Diagnostic> findings;
    bool unreadable = false;  // a file, or a pattern that fits none
};
// Reads policy files, patterns of them or "-" as the server does. Paths *in* them are under `root`.
PolicyInput read_policy(const std::vector<std::string>& files, const std::string& root);
// The same from a text.
PolicyInput read_policy_text(const std::string& text, const std::string& root);

// What the server asks beside the policy.
struct Refusing {
    std::shared_ptr<const Refusals> refusals;
    std::shared_ptr<const CrlSet> crls;
    std::vector<Diagnostic> findings;
    bool unreadable = false;  // a file of the command line
};
// Reads revocation files and CRLs, names or patterns, and the MTLSCRLFiles that the policy names. `more`: CAs that may
// have signed a CRL, beside those of the policy.
Refusing read_refusing(const Policy& policy, const std::vector<std::string>& revocations,
                       const std::vector<std::string>& crls, const std::vector<X509Ptr>& more);

}  // namespace mtls::tool
