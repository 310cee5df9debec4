// The policy: all partners, as one immutable value. Built by PolicyBuilder, asked by identify(). It lies in one piece
// of memory and owns nothing beside it, so that processes which share that memory share it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/calendar.hpp"
#include "mtls_authz/conditions.hpp"
#include "mtls_authz/file.hpp"
#include "mtls_authz/front_header.hpp"
#include "mtls_authz/granted_paths.hpp"
#include "mtls_authz/identity.hpp"
#include "mtls_authz/network.hpp"
#include "mtls_authz/reason.hpp"
#include "mtls_authz/refusals.hpp"
#include "mtls_authz/revocation.hpp"
#include "mtls_authz/selector.hpp"
#include "mtls_authz/trust.hpp"

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

// Whom a certificate belongs to, and every fact about that which does not depend on the request. Borrows from the
// policy.
struct Identification {
    // kGranted: `partner` is identified, current and not suspended. Its networks are asked for each request.
    Reason reason = Reason::kInternalError;
    const Partner* partner = nullptr;     // null unless identified
    std::optional<Identity> identity;     // the first in file order that fits
    std::vector<const Partner*> claimed;  // whom the certificate names, where not identified; at most three
    std::optional<Identity> claimed_identity;
    std::string detail;

    PathFacts path;                          // of the verified path
    bool is_purpose_waived = false;          // that path is one of certificates made for servers (MTLSPurpose)
    bool is_crl_spared = false;              // MTLSCRL required, but MTLSShortLived spares this leaf
    std::string nearest_ca_key;              // SHA-256 of the key of the nearest CA that the policy names, or empty
    std::vector<X509Ptr> intermediates;      // of that path, between the leaf and the anchor
    std::vector<std::string> groups;         // of this certificate, for whatever grants
    std::vector<std::string> denied_groups;  // for MTLSDeny: conditions that cannot tell count as fulfilled
    std::vector<std::pair<std::string, std::string>> variables;  // MTLS_ATTR_NAME and its value
    struct Description {
        std::string groups;      // comma-separated
        std::string identity;    // the selectors of the identity
        std::string sha256;      // hex
        std::string thumbprint;  // base64url of the same digest (RFC 8705 3.1)
    };
    Description description;  // of an identified partner and this certificate
    GrantedPaths grants;      // of this certificate

    // Seconds since the epoch, inclusive: asked again within them, the answer would be the same.
    std::int64_t valid_from = INT64_MIN;
    std::int64_t valid_until = INT64_MAX;
};

// What a certificate is identified with, beside the policy itself.
struct Surroundings {
    const ServerCas& server;   // of the virtual host that serves the request, for partners that trust `mod_ssl`
    const Refusals& refusals;  // from revocation files
    const CrlSet& crls;        // from CRL files
    std::int64_t now = 0;      // seconds since the epoch
};

class Policy {
public:
    // Decides steps 4 to 9 of a request: malformed, dates, MTLSRevoke, identity, path, suspension, contract.
    // Throws std::bad_alloc alone. Thread-safe.
    Identification identify(const PresentedCertificate& presented, const Surroundings& around) const;

    // Whom a certificate names, whoever issued it; at most three.
    std::vector<const Partner*> claimed_by(const CertificateFacts& facts) const;

    // The same for MTLSExpect: identity, path and grants alone. Dates, revocation, suspension and contract are left
    // out.
    Identification identify_at_any_time(const PresentedCertificate& presented, const ServerCas& server) const;

    // For the handshake: whether this is a partner's certificate by its MTLSPurpose serverAuth alone: it fits an
    // identity of that partner, and has a path to its anchor that is one for servers.
    bool waives_purpose_of(const PresentedCertificate& presented, const ServerCas& server, std::int64_t now) const;
    bool some_waive_purpose() const { return some_waive_purpose_; }

    // Why a partner cannot act at `around.now`, whatever its certificate: suspended, or outside of its contract.
    // kGranted where it can; `detail` says more where it cannot.
    static Reason contract_objection(const Partner& partner, const Surroundings& around, std::string& detail);

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
    struct Match {
        const Partner* partner;
        Identity identity;
        std::uint32_t order;
    };
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
    struct Candidates;

    Match match_of(std::uint32_t identity) const;
    std::string render_common() const;
    std::string find_generation() const;
    std::vector<Match> matching_identities(const CertificateFacts& facts) const;
    void add_any_matches(const NearestCa& nearest, const CertificateFacts& facts, std::vector<Match>& matches) const;
    std::string objection_to(const PathAnswer& path, std::int64_t now) const;
    std::optional<PathAnswer> identify_by_path(const PresentedCertificate& presented, const NearestCa& nearest,
                                               const ServerCas& server, std::int64_t now, Identification& out) const;
    void check_crls(const PresentedCertificate& presented, const PathAnswer& path, bool by_server,
                    const Surroundings& around, Identification& out) const;
    void describe_partner(const CertificateFacts& facts, Identification& out) const;
    void set_validity(const PresentedCertificate& presented, const ServerCas& server, std::int64_t now,
                      Identification& out) const;

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
