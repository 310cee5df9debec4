// What the MTLSRevocationFiles take away: revocations and suspensions that load by themselves, whatever else is wrong.
#pragma once

#include <string_view>

#include "mtls_authz/rules/revocation.hpp"

namespace mtls {

// A line of a revocation file that counts.
struct RefusalLine {
    Text name;  // of the directive
    Text args;
    Place where;

    bool is_inside(const Bounds& in) const { return in.hold_all(name, args, where); }
};

struct Suspension {
    Text partner;
    Place where;

    bool is_inside(const Bounds& in) const { return in.hold_all(partner, where); }
};

// In an arena or an image.
struct Refusals {
    RevocationSet revocations;
    Span<Suspension> suspended;  // by partner's name, each once
    Text digest;                 // SHA-256 of all lines and where they are
    Span<RefusalLine> lines;     // file by file

    // Where; null: nowhere.
    const Place* suspends(std::string_view partner) const;

    bool is_inside(const Bounds& in) const { return in.hold_all(revocations, suspended, digest, lines); }
};

}  // namespace mtls
