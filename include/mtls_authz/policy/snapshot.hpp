// Everything that a decision depends on, at one moment. Immutable; replaced as a whole.
#pragma once

#include <cstdint>
#include <memory>

#include "mtls_authz/base/published.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/refusals.hpp"

namespace mtls {

struct Snapshot {
    std::shared_ptr<const Policy> policy;      // never null
    std::shared_ptr<const Refusals> refusals;  // never null
    std::shared_ptr<const CrlSet> crls;        // never null
    std::uint64_t serial = 0;                  // differs between any two snapshots of a process
};

using SnapshotReader = Published<Snapshot>::Reader;

}  // namespace mtls
