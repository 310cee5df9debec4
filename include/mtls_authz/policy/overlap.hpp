// Pairs of MTLSIdentity lines of two partners that one certificate can fit: it is then `ambiguous`, and refused.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls {

// Two lines that count under the same trust anchor.
struct Overlap {
    const Partner* partner;
    Identity identity;
    const Partner* other;
    Where other_where;
    bool is_covered;   // every certificate that fits `identity` fits the other line too
    std::string both;  // what such a certificate has, as the arguments of one MTLSIdentity line
};

// At most one overlap for each line. Two lines overlap if the smallest certificate that has what both ask for fits
// both. It has one value of each type: lines that ask for different names of one type do not overlap, nor do two lines
// that name something exactly, each by a type of its own (CN:a and DNS:b.example), although a certificate that holds
// both names is ambiguous.
// Takes time linear in the number of lines, times that of the combinations of selector types under one anchor; lines
// with wildcards may be compared one by one, at most 300,000 pairs in all.
std::vector<Overlap> find_overlaps(const Policy& policy);

}  // namespace mtls
