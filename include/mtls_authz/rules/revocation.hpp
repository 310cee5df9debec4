// MTLSRevoke: certificates that are refused whoever they map to. Asked before anything is known of a partner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/selector_index.hpp"

namespace mtls {

// One MTLSRevoke line as it is read: all selectors must hold, where "cannot tell" counts as holding.
struct Revocation {
    WrittenConditions selectors;
    std::string note;
    Where where;
};

// The same as it is kept.
struct RevocationLine {
    Conditions selectors;
    Text note;
    Place where;

    bool lies_in(const Bounds& in) const { return in.hold_all(selectors, note, where); }

    std::string text() const;
};

// Made by RevocationSetBuilder; borrowed from the arena that it was kept in.
class RevocationSet {
public:
    RevocationSet() = default;

    // The first line that refuses this certificate, or nullptr. `above`: the CAs on its way up, as far as they are
    // known; sha256: and spki-sha256: refuse what they issued too, issuer.spki-sha256: asks for their keys.
    // `policies`: what the path allows; while none is known, what the certificate asserts.
    const RevocationLine* find(const CertificateFacts& facts, const std::vector<CaDigests>& above,
                               const std::vector<std::string>& policies) const;

    // The first line that names one of these CAs by nothing but issuer and serial number, or subject, as CAs and CRLs
    // name certificates: it refuses what they issued. `above`: as for find().
    const RevocationLine* find_ca(const std::vector<X509Ptr>& cas, const std::vector<CaDigests>& above) const;

    std::span<const RevocationLine> all() const { return lines_; }
    bool empty() const { return lines_.empty(); }

    bool lies_in(const Bounds& in) const { return in.hold_all(lines_, index_) && index_.has_ids_below(lines_.size()); }

private:
    friend class RevocationSetBuilder;
    const RevocationLine* first_of(const CertificateFacts& facts, const std::vector<CaDigests>& pins,
                                   const PathFacts& path, bool (*counts)(const Conditions&)) const;
    Span<RevocationLine> lines_;
    SelectorIndex index_;
    bool names_certificates_ = false;  // one of them is a line for find_ca()
};

class RevocationSetBuilder {
public:
    void add(Revocation revocation);
    // Once, after all lines.
    RevocationSet finish(Arena& arena);

private:
    std::vector<Revocation> revocations_;
    bool names_certificates_ = false;
    SelectorIndexBuilder index_{Repeats::kAnyCounts};
};

}  // namespace mtls
