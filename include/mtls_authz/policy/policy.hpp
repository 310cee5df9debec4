// The policy: all partners, as one immutable value. Built by PolicyBuilder, asked by identify() (identification.hpp).
// It lies in one piece of memory and owns nothing beside it, so that processes which share that memory share it.
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
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/policy/refusals.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/granted_paths.hpp"
#include "mtls_authz/rules/identity.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/revocation.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// A policy's parts lie in one arena, with everything that they point to.

struct GroupMembership {
    Span<Text> names;
    Conditions conditions;  // all must hold for this certificate

    bool lies_in(const Bounds& in) const { return in.hold_all(names, conditions); }
};

struct PartnerAttribute {
    Text name;
    Text value;                      // as it is; or TYPE of cert:TYPE
    std::optional<FieldName> field;  // of the certificate, instead

    bool lies_in(const Bounds& in) const { return in.hold_all(name, value, field); }
};

// A partner that ends TLS for others, and hands their certificates on in a header.
struct Front {
    Text header;     // as written
    Text chain;      // the header of the other certificates, or empty
    Text key;        // header_key() of each
    Text chain_key;  // equal to `key` where the header holds the chain too
    FrontFormat format = FrontFormat::kRfc9440;
    Span<Network> networks;  // believed from there whatever certificate the connection has; none: by its certificate
    Place where;

    bool lies_in(const Bounds& in) const { return in.hold_all(header, chain, key, chain_key, networks, where); }
};

struct Partner {
    Text name;
    Place where;
    IdentityLines identities;
    std::uint32_t first_identity = 0;  // number of the first among all of the policy
    Ptr<AnchorSet> anchors;            // own, or the default that several share; never null in a policy
    bool has_own_anchors = false;
    Span<Span<AnchorCertificate>> intermediates;
    Span<Text> intermediate_files;
    Span<GroupMembership> groups;
    Span<PartnerAttribute> attributes;
    TimeWindow validity;
    Span<Network> networks;  // none: from anywhere
    // When certificates that were made for servers count, too; none: never.
    std::optional<TimeWindow> server_purpose;
    std::optional<Place> suspended;
    CrlRules crl_rules;
    Span<Grant> grants;
    Span<Front> fronts;     // one, or none
    Text contact;           // whom to call, or empty
    Text digest;            // SHA-256 of all that is in force about it, its files included
    std::uint64_t key = 0;  // partner_key() of its name

    // As it stands in a policy file.
    std::string render() const;
    std::string find_digest() const;

    // Step 9, for one request: why it may not come from this address, "" where it may. `address`: raw, 4 or 16 bytes;
    // empty where the client has none.
    std::string network_objection(std::string_view address) const;

    // Null where it is no front.
    const Front* front() const { return fronts.empty() ? nullptr : fronts.data(); }

    bool lies_in(const Bounds& in) const {
        return in.hold_all(name, where, identities, anchors, intermediates, intermediate_files, groups, attributes,
                           networks, suspended, grants, fronts, contact, digest) &&
               anchors != nullptr && anchors->lies_in(in);
    }
};

// A file or pattern that a policy was built from.
struct PolicyFile {
    Text name;
    Text digest;            // SHA-256 of the content, or why it could not be read; of a pattern, the names
    std::size_t limit = 0;  // of its size; of a pattern, 0
    std::size_t count = 0;  // of a pattern: files

    bool lies_in(const Bounds& in) const { return in.hold_all(name, digest); }
};

// A file of certificates by the SHA-256 of its content: a later policy does not decode it again.
struct KnownCertificates {
    Text digest;
    Span<AnchorCertificate> certificates;

    bool lies_in(const Bounds& in) const { return in.hold_all(digest, certificates); }
};

// All partners of a policy, and what is found among them. It decides nothing: identify() does.
class Policy {
public:
    // An identity that a certificate fits, as far as its own facts go.
    struct Match {
        const Partner* partner;
        Identity identity;
        std::uint32_t order;  // in file order
    };
    // Whoever issued it; `any` apart.
    std::vector<Match> matching_identities(const CertificateFacts& facts) const;
    // Adds those that say `any` under this CA, in file order.
    void add_any_matches(const NearestCa& nearest, const CertificateFacts& facts, std::vector<Match>& matches) const;

    // The last instant until `now` and the first after it at which an answer may change.
    struct Edges {
        std::optional<std::int64_t> last;
        std::optional<std::int64_t> next;
    };
    Edges edges_around(std::int64_t now) const;

    // header_key() of every header by which a front hands certificates on; sorted.
    std::span<const Text> front_keys() const { return front_keys_; }

    std::span<const Partner> partners() const { return partners_; }  // in file order
    std::span<const Ptr<Partner>> partners_by_name() const { return by_name_; }
    std::size_t identity_count() const { return identity_count_; }
    // What a new connection may cost: the most identities that are tried one by one.
    struct Searching {
        std::size_t lines = 0;
        bool always = false;  // for every certificate; else for those that a selector fits which they share
        std::optional<Identity> one;
    };
    Searching searching() const;
    std::span<const Grant> grants() const { return grants_; }  // of every partner
    const RevocationSet& revocations() const { return revocations_; }
    std::vector<WatchedFiles> crl_files() const;
    bool some_trust_mod_ssl() const { return some_trust_mod_ssl_; }
    bool some_waive_purpose() const { return some_waive_purpose_; }  // MTLSPurpose
    const CrlRules& crl_rules() const { return crl_rules_; }         // of partners that say nothing else
    const Partner* find(std::string_view name) const;
    bool has_group(std::string_view name) const;
    const CaDirectory& cas() const { return cas_; }

    // What it was built from, by name.
    std::span<const PolicyFile> files() const { return files_; }
    // Of a file with this SHA-256; empty where it names none.
    CertificateFile certificates_of(std::string_view digest) const;

    // The policy in policy-file syntax, in a canonical order: what reads back to the same policy.
    std::string render() const;
    // The first 16 hex digits of the SHA-256 of what is in force: render(), files by their content.
    std::string_view generation() const { return generation_; }

    bool lies_in(const Bounds& in) const;

private:
    friend class PolicyWriter;
    struct AnyLine {
        Text issuer;             // CA id, or SHA-256 of an end-entity anchor
        std::uint32_t identity;  // number among all
        bool lies_in(const Bounds& in) const { return issuer.lies_in(in); }
    };
    struct CrlFile {
        Text pattern;
        Text spelled;
        Place where;
        bool lies_in(const Bounds& in) const { return in.hold_all(pattern, spelled, where); }
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
    Span<std::int64_t> edges_;  // sorted instants at which an answer may change

    std::size_t identity_count_ = 0;
    SelectorIndex index_;          // of all identities, in file order
    Span<AnyLine> any_by_issuer_;  // sorted
    RevocationSet revocations_;
    CrlRules crl_rules_;
    Span<Grant> grants_;
    Span<Text> front_keys_;
    Span<Text> expectations_;     // as text
    Text expected_certificates_;  // their digests
    Span<CrlFile> crl_files_;
    Span<PolicyFile> files_;
    Span<KnownCertificates> certificates_;  // sorted
    Text generation_;
};

// "acme,globex"
std::string names_of(const std::vector<const Partner*>& partners, std::string_view separator = ",");

// What distinguishes two policies, for the log: "added acme, globex; changed initech; removed hooli", at most ten names
// of each kind, then a count.
std::string describe_change(const Policy& before, const Policy& after);

}  // namespace mtls
