// Warnings about policies that are valid but probably a mistake.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls {

// Warnings about a policy without errors: anchors that have expired or will within `days`, their weak keys and digests,
// purposes that end soon, public CAs (which reads the system's certificates), identities that never match or overlap
// with another partner's, grants that another grant covers. Takes linear time in the size of the policy, except for the
// grants of one partner.
std::vector<Diagnostic> lint_policy(const Policy& policy, std::int64_t now, int days = 30);

// Warnings about suspended names in revocation files that no partner has. None for a policy without partners.
std::vector<Diagnostic> lint_refusals(const Policy& policy, const Refusals& refusals);

// An identity of which some selectors hold.
struct NearMiss {
    struct Failure {
        Selector selector;                // one of `identity`
        std::vector<std::string> actual;  // the certificate's values of that field
        bool is_close;                    // one of them differs by a typing error
        std::string unclear;              // the cause of kCannotTell, or empty
    };
    const Partner* partner;
    Identity identity;
    std::vector<Failure> failures;
};
// At most `most`, nearest first: identities of which a selector holds, or would hold without a typing error, or if an
// attribute did not occur twice.
std::vector<NearMiss> find_near_misses(const Policy& policy, const CertificateFacts& facts, const PathFacts* path,
                                       std::size_t most);

}  // namespace mtls
