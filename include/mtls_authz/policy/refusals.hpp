// The content of the MTLSRevocationFiles: revocations and suspensions. They load independently of the policy.
#pragma once

#include <string_view>

#include "mtls_authz/rules/revocation.hpp"

namespace mtls {

// A valid line of a revocation file.
struct RefusalLine {
    Text name;  // name of the directive
    Text args;
    StoredWhere where;

    bool is_inside(const Bounds& in) const { return in.hold_all(name, args, where); }
};

struct Suspension {
    Text partner, note;
    StoredWhere where;

    bool is_inside(const Bounds& in) const { return in.hold_all(partner, note, where); }
};

// Stored in an arena or an image.
struct Refusals {
    RevocationSet revocations;
    Span<Suspension> suspended;  // sorted by partner, without duplicates
    Text digest;                 // SHA-256 of all lines and their positions
    Span<RefusalLine> lines;     // grouped by file

    // The line that suspends this partner; null if there is none.
    const Suspension* suspends(std::string_view partner) const;

    bool is_inside(const Bounds& in) const { return in.hold_all(revocations, suspended, digest, lines); }
};

}  // namespace mtls
