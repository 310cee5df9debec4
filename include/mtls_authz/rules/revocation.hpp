// MTLSRevoke: refuses certificates independently of their partner. Checked before the partner is identified.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/selector_index.hpp"

namespace mtls {

// One parsed MTLSRevoke directive: all selectors must hold, where kCannotTell counts as holding.
struct Revocation {
    WrittenConditions selectors;
    std::string note;
    Where where;
};

// The same, stored in a policy.
struct RevocationLine {
    Conditions selectors;
    Text note;
    StoredWhere where;

    bool is_inside(const Bounds& in) const { return in.hold_all(selectors, note, where); }

    std::string text() const;
};

// Made by RevocationSetBuilder; borrows from the arena passed to finish().
class RevocationSet {
public:
    RevocationSet() = default;

    // The first line that refuses this certificate, or nullptr. `above`: the CAs above it, as far as they were found;
    // sha256: and spki-sha256: also refuse everything that these CAs issued, issuer.spki-sha256: is compared with their
    // keys. `policies`: the policy set of the path, or, before a path is verified, the policies that the certificate
    // asserts.
    const RevocationLine* find(const CertificateFacts& facts, const std::vector<CaDigests>& above,
                               const std::vector<std::string>& policies) const;

    // The first line that identifies one of these CAs only by issuer and serial number, or by subject, as CAs and CRLs
    // do; such a line refuses everything that the CA issued. `above`: as in find().
    const RevocationLine* find_ca(const std::vector<X509Ptr>& cas, const std::vector<CaDigests>& above) const;

    std::span<const RevocationLine> all() const { return lines_; }
    bool empty() const { return lines_.empty(); }

    bool is_inside(const Bounds& in) const {
        return in.hold_all(lines_, index_) && index_.has_ids_below(lines_.size());
    }

private:
    friend class RevocationSetBuilder;
    const RevocationLine* first_of(const CertificateFacts& facts, const std::vector<CaDigests>& pins,
                                   const PathFacts& path, bool (*counts)(const Conditions&)) const;
    Span<RevocationLine> lines_;
    SelectorIndex index_;
    bool names_certificates_ = false;  // at least one line is relevant for find_ca()
};

class RevocationSetBuilder {
public:
    void add(Revocation revocation);
    // Call once, after all lines.
    RevocationSet finish(Arena& arena);

private:
    std::vector<Revocation> revocations_;
    bool names_certificates_ = false;
    SelectorIndexBuilder index_{Repeats::kAnyCounts};
};

}  // namespace mtls
