// What OpenSSL's own check of CRLs says.
#pragma once

#include <string>
#include <vector>

#include "random_lists.hpp"

namespace revocation {

enum class Verdict { kGood, kRevoked, kNotKnown };

struct OpensslAnswer {
    Verdict verdict = Verdict::kGood;
    std::string error;  // the first one, where it is not good
};
// With X509_V_FLAG_CRL_CHECK_ALL, extended CRL support and deltas, of every certificate below the anchor. A list past
// its nextUpdate still revokes; any other fault ends the question.
// `ca`: the certificate of the leaf's CA that the path has.
OpensslAnswer ask_openssl(const Pki& pki, const Pki::Leaf& leaf, const Identity& ca,
                          const std::vector<const List*>& lists, std::int64_t now);

}  // namespace revocation
