// What a policy says without being wrong, and probably does not mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls {

// Warnings about a policy that has no errors: anchors that have expired or will within `days`, weak keys and digests in
// them, purposes that end soon and public CAs (which reads what this system trusts), identities that can never fit or
// are another partner's too, grants that another one covers. Linear in the size of the policy, but for the grants of
// one partner.
std::vector<Diagnostic> lint_policy(const Policy& policy, std::int64_t now, int days = 30);

// Warnings about names that revocation files suspend and no partner has.
std::vector<Diagnostic> lint_refusals(const Policy& policy, const Refusals& refusals);

// An identity that fits but for some of its selectors.
struct NearMiss {
    struct Failure {
        Selector selector;                // of `identity`
        std::vector<std::string> actual;  // what the certificate has in its place
        bool is_close;                    // one of them differs by a slip of the pen
        std::string unclear;              // why the selector cannot tell, where it cannot
    };
    const Partner* partner;
    Identity identity;
    std::vector<Failure> failures;
};
// At most `most`, the nearest first: those of which something fits, or that a slip of the pen keeps from fitting, or
// that would fit if an attribute did not occur twice.
std::vector<NearMiss> find_near_misses(const Policy& policy, const CertificateFacts& facts, const PathFacts* path,
                                       std::size_t most);

}  // namespace mtls
