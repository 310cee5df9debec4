// The policy: all partners, as one immutable value. PolicyBuilder builds it, identify() (identification.hpp) queries
// it. It occupies one memory range and owns nothing outside of it, so that processes can share it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/certificate/front_header.hpp"
#include "mtls_authz/policy/refusals.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/granted_paths.hpp"
#include "mtls_authz/rules/identity.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/revocation.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// All parts of a policy, and everything that they point to, are in one arena.

struct GroupMembership {
    Span<Text> names;
    Conditions conditions;  // must all hold for the certificate

    bool is_inside(const Bounds& in) const { return in.hold_all(names, conditions); }
};

struct PartnerAttribute {
    Text name;
    Text value;                      // the literal value, or TYPE of cert:TYPE
    std::optional<FieldName> field;  // for cert:TYPE: the certificate field

    std::string text() const;

    bool is_inside(const Bounds& in) const { return in.hold_all(name, value, field); }
};

// A partner that ends TLS for other clients, and passes their certificates in a header.
struct Front {
    Text header;     // as written
    Text chain;      // header with the other certificates, or empty
    Text key;        // header_key() of `header`
    Text chain_key;  // header_key() of `chain`; equal to `key` if the header contains the chain too
    FrontFormat format = FrontFormat::kRfc9440;
    Span<Network>
        networks;  // trusted by address, whatever certificate the connection has; empty: trusted by certificate
    StoredWhere where;

    std::string text() const;

    bool is_inside(const Bounds& in) const { return in.hold_all(header, chain, key, chain_key, networks, where); }
};

struct Partner {
    Text name;
    StoredWhere where;
    IdentityLines identities;
    std::uint32_t first_identity = 0;  // index of its first identity among all identities of the policy
    Ptr<AnchorSet> anchors;            // its own, or the shared default; never null in a policy
    bool has_own_anchors = false;
    Span<Span<AnchorCertificate>> intermediates;
    Span<Text> intermediate_files;
    Span<GroupMembership> groups;
    Span<PartnerAttribute> attributes;
    TimeWindow validity;
    Span<Network> networks;  // empty: any address
    // When certificates for servers are accepted too; absent: never.
    std::optional<TimeWindow> server_purpose;
    std::optional<StoredWhere> suspended;
    Text suspension_note;
    CrlRules crl_rules;
    Span<Grant> grants;
    Span<Front> fronts;     // at most one
    Text contact;           // text of MTLSContact, or empty
    Text digest;            // SHA-256 of its effective configuration, including file contents
    std::uint64_t key = 0;  // partner_key() of `name`

    // In policy-file syntax.
    std::string render() const;
    std::string find_digest() const;

    // Step 9, per request: why the partner may not connect from this address; "" if it may. `address`: 4 or 16 raw
    // bytes; empty if the client has none.
    std::string network_objection(std::string_view address) const;

    // Null if the partner is not a front.
    const Front* front() const { return fronts.empty() ? nullptr : fronts.data(); }

    bool is_inside(const Bounds& in) const {
        return in.hold_all(name, where, identities, anchors, intermediates, intermediate_files, groups, attributes,
                           networks, suspended, suspension_note, grants, fronts, contact, digest) &&
               anchors != nullptr && anchors->is_inside(in);
    }
};

// A file or pattern that a policy was built from.
struct PolicyFile {
    Text name;
    Text digest;            // SHA-256 of the content, or the read error; for a pattern, of the names
    std::size_t limit = 0;  // maximum size of the file; 0 for a pattern
    std::size_t count = 0;  // number of files, for a pattern
    bool refuses = false;  // it has lines outside of partners that refuse: MTLSRevoke, MTLSSuspend, MTLSCRL required...

    bool is_inside(const Bounds& in) const { return in.hold_all(name, digest); }
};

// A decoded certificate file by the SHA-256 of its content: the next policy reuses it instead of decoding again.
struct CertificatesByDigest {
    Text digest;
    Span<AnchorCertificate> certificates;

    bool is_inside(const Bounds& in) const { return in.hold_all(digest, certificates); }
};

// All partners of a policy with their indexes. Policy only looks up; identify() decides.
class Policy {
public:
    // An identity whose selectors hold for a certificate, before its path is checked.
    struct Match {
        const Partner* partner;
        Identity identity;
        std::uint32_t order;  // in file order
    };
    // All identities except `any` that match the certificate. Does not check its issuer.
    std::vector<Match> matching_identities(const CertificateFacts& facts) const;
    // Adds the `any` identities under this CA, in file order.
    void add_any_matches(const NearestCa& nearest, const CertificateFacts& facts, std::vector<Match>& matches) const;

    // The last instant up to `now`, and the first one after it, at which an answer may change.
    struct Edges {
        std::optional<std::int64_t> last;
        std::optional<std::int64_t> next;
    };
    Edges edges_around(std::int64_t now) const;

    // header_key() of every header in which a front passes certificates; sorted.
    std::span<const Text> front_keys() const { return front_keys_; }

    std::span<const Partner> partners() const { return partners_; }  // in file order
    std::span<const Ptr<Partner>> partners_by_name() const { return by_name_; }
    std::size_t identity_count() const { return identity_count_; }
    // The worst case of a new connection: the largest number of identities that are tested one by one.
    struct LinearScan {
        std::size_t lines = 0;
        bool always = false;  // they are tested for every certificate; else only if a selector that they share matches
        std::optional<Identity> one;
    };
    LinearScan worst_scan() const;
    std::span<const Grant> grants() const { return grants_; }  // of every partner
    const RevocationSet& revocations() const { return revocations_; }
    std::vector<WatchedFiles> crl_files() const;
    bool some_trust_mod_ssl() const { return some_trust_mod_ssl_; }
    // The CAs of that name at which a path may end: anchors, at any time, and the topmost of mod_ssl's CAs, if a
    // partner trusts these.
    std::vector<X509Ptr> ends_named(const std::string& name, const std::vector<X509Ptr>& server_cas) const;
    bool some_waive_purpose() const { return some_waive_purpose_; }       // by MTLSPurpose
    const CrlRules& crl_rules() const { return crl_rules_; }              // default of all partners
    std::span<const Text> expectations() const { return expectations_; }  // as text
    // SHA-256 of the certificates that they name, 32 bytes each, sorted.
    std::string_view expected_certificates() const { return expected_certificates_; }
    const Partner* find(std::string_view name) const;
    bool has_group(std::string_view name) const;
    const CaDirectory& cas() const { return cas_; }

    // Everything that it was built from, by name.
    std::span<const PolicyFile> files() const { return files_; }
    // The certificates of a file with this SHA-256; empty if no directive names it.
    CertificateFile certificates_of(std::string_view digest) const;

    // The policy in policy-file syntax and canonical order; parsing it gives the same policy.
    std::string render() const;
    // The first 16 hex digits of the SHA-256 of the effective configuration: render(), with files by their content.
    std::string_view generation() const { return generation_; }

    bool is_inside(const Bounds& in) const;

private:
    friend class PolicyWriter;
    struct AnyLine {
        Text issuer;             // CA id, or SHA-256 of an end-entity anchor
        std::uint32_t identity;  // index among all identities
        bool is_inside(const Bounds& in) const { return issuer.is_inside(in); }
    };
    struct CrlFile {
        Text pattern;
        Text spelled;
        StoredWhere where;
        bool is_inside(const Bounds& in) const { return in.hold_all(pattern, spelled, where); }
    };

    Match match_of(std::uint32_t identity) const;
    std::string render_common() const;
    std::string find_generation() const;

    Span<Partner> partners_;      // in file order
    Span<Ptr<Partner>> by_name_;  // sorted
    Span<Text> groups_;           // sorted
    CaDirectory cas_;
    bool some_trust_mod_ssl_ = false;
    bool some_waive_purpose_ = false;
    Span<std::int64_t> edges_;  // sorted; instants at which an answer may change

    std::size_t identity_count_ = 0;
    SelectorIndex index_;          // over all identities, in file order
    Span<AnyLine> any_by_issuer_;  // sorted
    RevocationSet revocations_;
    CrlRules crl_rules_;
    Span<Grant> grants_;
    Span<Text> front_keys_;
    Span<Text> expectations_;     // as text
    Text expected_certificates_;  // digests of their certificates
    Span<CrlFile> crl_files_;
    Span<PolicyFile> files_;
    Span<CertificatesByDigest> certificates_;  // sorted
    Text generation_;
};

// The directives that are set, each as a line: "MTLSCRL required".
std::vector<std::string> texts_of(const CrlRules& rules);

// "acme,globex"
std::string names_of(const std::vector<const Partner*>& partners, std::string_view separator = ",");

// The difference of two policies, for the log: "added acme, globex; changed initech; removed hooli", at most ten names
// of each kind, then a count.
std::string describe_change(const Policy& before, const Policy& after);

}  // namespace mtls
