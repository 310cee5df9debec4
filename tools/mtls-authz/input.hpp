// Input of the commands: certificates in all supported encodings, and policies. Names on the command line are relative
// to the current folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/keeper/gate_map.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls::tool {

// The content of a file, or of standard input for "-": at most 16 MiB.
Result<std::string> read_input(const std::string& file);

// The regular files of a folder and of those in it, sorted; of anything else, as of "-", the path itself.
Result<std::vector<std::string>> files_below(const std::string& path);

// The first certificate of a file, with the others and those of `more` as the client's chain.
Result<std::shared_ptr<const PresentedCertificate>> read_client(const std::string& file,
                                                                const std::vector<std::string>& more);

// `--root` as PolicyBuilder takes it: absolute, without a slash at its end.
std::string absolute_root(const std::string& root);

// The name by which a server with this ServerRoot finds a file of the current folder: relative where it is below.
std::string name_for_server(const std::string& file, const std::string& root);
// The same for a CA's file in MTLSTrustAnchor, which may also be written as it is there already.
std::string anchor_name(const std::string& file, const std::string& root);

struct PolicyInput {
    std::shared_ptr<const Policy> policy;  // null if it has errors
    std::vector<Diagnostic> findings;
    std::vector<std::string> suspended_names;  // in MTLSSuspend lines outside of partners
    bool unreadable = false;                   // a file is unreadable, or a pattern matches none
};
// Where the output of `httpd -t -D DUMP_MTLS_POLICY`, with a default MTLSTrustAnchor, may take the place of policy
// files.
enum class Dumps { kAnywhere, kStandardInput };
// Reads policy files, patterns of them, or "-", as the server does. Paths *in* the files are relative to `root`.
// `server`: adds what httpd.conf of a running server has of the policy; may be null.
PolicyInput read_policy(const std::vector<std::string>& files, const std::string& root, Dumps dumps = Dumps::kAnywhere,
                        const GateMap* server = nullptr);
// The same for policy text.
PolicyInput read_policy_text(const std::string& text, const std::string& root);

// The refusals that the server uses with the policy.
struct Refusing {
    std::shared_ptr<const Refusals> refusals;
    std::shared_ptr<const CrlSet> crls;
    std::vector<Diagnostic> findings;
    bool unreadable = false;  // a file of the command line, or a CRL, cannot be read or used
};
// Reads revocation files and CRLs, names or patterns, and the policy's MTLSCRLFiles. `more`: CAs beside the policy's
// that may have signed a CRL.
Refusing read_refusing(const Policy& policy, const std::vector<std::string>& revocations,
                       const std::vector<std::string>& crls, const std::vector<X509Ptr>& more);

}  // namespace mtls::tool
