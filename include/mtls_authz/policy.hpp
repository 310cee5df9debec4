// The policy: all partners, as one immutable value. Built by PolicyBuilder, asked by identify().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mtls_authz/calendar.hpp"
#include "mtls_authz/expectation.hpp"
#include "mtls_authz/file.hpp"
#include "mtls_authz/grant.hpp"
#include "mtls_authz/identity.hpp"
#include "mtls_authz/reason.hpp"
#include "mtls_authz/refusals.hpp"
#include "mtls_authz/revocation.hpp"
#include "mtls_authz/selector.hpp"
#include "mtls_authz/trust.hpp"

namespace mtls {

struct GroupMembership {
    std::vector<std::string> names;
    std::vector<Selector> conditions;  // all must hold for this certificate
};

struct PartnerAttribute {
    std::string name;
    std::string value;               // where `field` is absent
    std::optional<FieldName> field;  // cert:TYPE
};

struct Partner {
    std::string name;
    Where where;
    IdentityLines identities;
    std::shared_ptr<const AnchorSet> anchors;  // own, or the default that several share; never null in a policy
    bool has_own_anchors = false;
    std::vector<CertificateFile> intermediates;
    std::vector<std::string> intermediate_files;
    std::vector<GroupMembership> groups;
    std::vector<PartnerAttribute> attributes;
    TimeWindow validity;
    std::optional<Where> suspended;
    CrlRules crl_rules;
    std::vector<Grant> grants;
    std::string digest;     // SHA-256 of all that is in force about it, its files included
    std::uint64_t key = 0;  // partner_key() of its name

    // As it stands in a policy file.
    std::string render() const;
    std::string find_digest() const;
};

// Whom a certificate belongs to, and every fact about that which does not depend on the request.
struct Identification {
    Reason reason = Reason::kInternalError;    // kGranted: `partner` is identified, current and not suspended
    const Partner* partner = nullptr;          // borrowed from the policy; null unless identified
    std::shared_ptr<const Identity> identity;  // the first in file order that fits
    std::vector<const Partner*> claimed;       // whom the certificate names, where not identified; at most three
    std::shared_ptr<const Identity> claimed_identity;
    std::string detail;

    std::vector<std::string> ca_keys;        // SHA-256 of the keys of the CAs on the verified path
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
    Description description;          // of an identified partner and this certificate
    std::vector<GrantedPath> grants;  // of this certificate, longest literal beginning first

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

    const std::vector<std::unique_ptr<const Partner>>& partners() const { return partners_; }
    std::size_t identity_count() const { return lines_.size(); }
    // What a new connection may cost: the most identities that are tried one by one.
    struct Searching {
        std::size_t lines = 0;
        bool always = false;  // for every certificate; else for those that a selector fits which they share
        std::shared_ptr<const Identity> one;
    };
    Searching searching() const;
    const std::vector<Grant>& grants() const { return grants_; }  // of every partner
    const RevocationSet& revocations() const { return revocations_; }
    const std::vector<Expectation>& expectations() const { return expectations_; }
    const std::vector<WatchedFiles>& crl_files() const { return crl_files_; }
    bool some_trust_mod_ssl() const { return some_trust_mod_ssl_; }
    const Partner* find(std::string_view name) const;
    bool has_group(std::string_view name) const;
    const CaDirectory& cas() const { return cas_; }
    // Adds its CA certificates by canonical name: who may have signed a CRL.
    void add_cas_to(std::multimap<std::string, X509*>& known) const;

    // The policy in policy-file syntax, in a canonical order: what reads back to the same policy.
    std::string render() const;
    // The first 16 hex digits of the SHA-256 of what is in force: render(), files by their content.
    const std::string& generation() const { return generation_; }

private:
    friend class PolicyBuilder;
    struct Match {
        const Partner* partner;
        std::shared_ptr<const Identity> identity;
        std::uint32_t order;
    };
    struct Line {
        std::uint32_t partner;  // of partners_
        std::uint32_t number;   // of its identities
    };
    struct Candidates;

    void build_index();
    void index_anchors(const Partner& partner, std::uint32_t first_line);
    Match match_of(std::uint32_t line) const;
    std::string render_common() const;
    std::string find_generation() const;
    std::vector<Match> matching_identities(const CertificateFacts& facts) const;
    void add_any_matches(const NearestCa& nearest, const CertificateFacts& facts, std::vector<Match>& matches) const;
    std::optional<PathAnswer> identify_by_path(const PresentedCertificate& presented, const NearestCa& nearest,
                                               const ServerCas& server, std::int64_t now, Identification& out) const;
    std::vector<X509*> crl_signers(const Partner& partner, const PathAnswer& path, const Surroundings& around) const;
    void check_crls(const PathAnswer& path, bool by_server, const Surroundings& around, Identification& out) const;
    void describe_partner(const CertificateFacts& facts, Identification& out) const;
    void check_contract(const Surroundings& around, Identification& out) const;
    void set_validity(const PresentedCertificate& presented, const ServerCas& server, std::int64_t now,
                      Identification& out) const;

    std::vector<std::unique_ptr<const Partner>> partners_;
    std::unordered_map<std::string_view, const Partner*> by_name_;
    std::unordered_map<std::string_view, int> groups_;
    CaDirectory cas_;
    bool some_trust_mod_ssl_ = false;
    std::vector<std::int64_t> edges_;  // sorted instants at which an answer may change

    std::vector<Line> lines_;                      // all identities, in file order
    SelectorIndex index_{Repeats::kMustBeSingle};  // of lines_
    std::unordered_map<std::string, std::vector<std::uint32_t>>
        any_by_issuer_;  // by CA id, or by SHA-256 of an end-entity anchor
    RevocationSet revocations_;
    CrlRules crl_rules_;
    std::vector<Grant> grants_;
    std::vector<Expectation> expectations_;
    std::vector<WatchedFiles> crl_files_;
    std::string generation_;
};

// "acme,globex"
std::string names_of(const std::vector<const Partner*>& partners, std::string_view separator = ",");

// What distinguishes two policies, for the log: "added acme, globex; changed initech; removed hooli", at most ten names
// of each kind, then a count.
std::string describe_change(const Policy& before, const Policy& after);

}  // namespace mtls
