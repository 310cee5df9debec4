// Pairs of MTLSIdentity lines of different partners that one certificate can match. Such a certificate is `ambiguous`.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls {

// Both lines apply under a common trust anchor.
struct Overlap {
    const Partner* partner;
    Identity identity;
    const Partner* other;
    Where other_where;
    bool is_covered;   // every certificate that matches `identity` also matches the other line
    std::string both;  // the selectors of both lines, as the arguments of one MTLSIdentity line
};

// Returns at most one overlap for each line. Two lines overlap if a certificate that has just the values that both
// require, one of each type, matches both. So these do not overlap, although a certificate with both names is
// ambiguous: lines with different names of one type (DNS:a and DNS:b), and lines with exact names of different types
// (CN:a and DNS:b). Takes time proportional to the number of lines times the number of combinations of selector types
// under an anchor. Lines with wildcards may be compared in pairs: 300,000 at most.
std::vector<Overlap> find_overlaps(const Policy& policy);

}  // namespace mtls
