#include "mtls_authz/policy/refusals.hpp"

#include <algorithm>

namespace mtls {

const Suspension* Refusals::suspends(std::string_view partner) const {
    const auto found = std::lower_bound(suspended.begin(), suspended.end(), partner,
                                        [](const Suspension& s, std::string_view name) { return s.partner < name; });
    return found == suspended.end() || found->partner != partner ? nullptr : found;
}

}  // namespace mtls
