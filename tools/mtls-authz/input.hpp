// What the commands read: certificates in any of their wrappings, and policies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/policy.hpp"
#include "mtls_authz/policy_builder.hpp"

namespace mtls::tool {

// The content of a file, or of standard input for "-": at most 16 MiB.
Result<std::string> read_input(const std::string& file);

// All certificates in PEM (certificates or PKCS#7), DER, or DER of PKCS#7.
Result<std::vector<X509Ptr>> read_any_certificates(const std::string& content);

// The first certificate of a file, with the others as what its client would send, and those of `more`.
Result<std::shared_ptr<const PresentedCertificate>> read_client(const std::string& file,
                                                                const std::vector<std::string>& more);

struct PolicyInput {
    std::shared_ptr<const Policy> policy;  // null where it has errors
    std::vector<Diagnostic> findings;
};
// Reads policy files as the server does. Relative paths in them are under `root`.
PolicyInput read_policy(const std::vector<std::string>& files, const std::string& root);
// The same from a text.
PolicyInput read_policy_text(const std::string& text, const std::string& root);

}  // namespace mtls::tool
