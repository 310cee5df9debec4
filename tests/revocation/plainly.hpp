// RFC 5280 6.3.3 and what the module makes stricter, written down plainly, over what certificates and lists were made
// from.
#pragma once

#include <string>
#include <vector>

#include "random_lists.hpp"

namespace revocation {

struct PlainAnswer {
    bool listed = false;  // the leaf or its CA is revoked by a list that counts
    bool covered = true;  // for each of them, lists in time are about it and all reasons together
    // A short-lived leaf needs none: whether lists at hand that leave it uncovered are out of date is not asked here.
    bool is_open = false;
};
// `ca`: the certificate of the leaf's CA that the path has. `forgiving`: MTLSCRLStale allow.
PlainAnswer ask_plainly(const Pki& pki, const Pki::Leaf& leaf, const Identity& ca,
                        const std::vector<const List*>& lists, bool forgiving);

// Whether another list takes its place.
bool is_superseded(const List& list, const std::vector<const List*>& all);

// "user reasons 12 http://..."
std::string scope_of(const test::ListSpec& spec);

}  // namespace revocation
