// MTLSRevoke: certificates that are refused whoever they map to. Asked before anything is known of a partner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/directive.hpp"
#include "mtls_authz/selector_index.hpp"

namespace mtls {

// One MTLSRevoke line: all selectors must hold, where "cannot tell" counts as holding.
struct Revocation {
    std::vector<Selector> selectors;
    std::string note;
    Where where;

    // Reads the arguments of an MTLSRevoke. What elsewhere is only a warning (a DN in reverse) is an error, since here
    // it would fail open.
    static Result<Revocation> parse(const Directive& directive);
    std::string text() const;
};

class RevocationSet {
public:
    void add(Revocation revocation);
    // Once, after all lines.
    void finish() { index_.finish(); }

    // The first line that refuses this certificate, or nullptr. `above`: the CAs on its way up, as far as they are
    // known; sha256: and spki-sha256: refuse what they issued too, issuer.spki-sha256: asks for their keys.
    const Revocation* find(const CertificateFacts& facts, const std::vector<CaDigests>& above) const;

    const std::vector<Revocation>& all() const { return revocations_; }
    bool empty() const { return revocations_.empty(); }

private:
    std::vector<Revocation> revocations_;
    SelectorIndex index_{Repeats::kAnyCounts};
};

}  // namespace mtls
