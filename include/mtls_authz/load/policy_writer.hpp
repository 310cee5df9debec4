// The parsed, still mutable form of a policy, and the function that writes it to an arena.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/load/expectation.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls {

struct WrittenGrant {
    MethodSet methods;
    std::vector<std::string> paths;
    WrittenConditions conditions;
    Where where;
};

struct WrittenGroup {
    std::vector<std::string> names;
    WrittenConditions conditions;
};

struct WrittenAttribute {
    std::string name;
    std::string value;  // the literal value, or TYPE of cert:TYPE
    bool is_field = false;
};

// `certificates` are in the arena of the builder, or of an earlier policy.
struct WrittenAnchor {
    std::string file;
    Where where;
    TimeWindow window;
    CertificateFile certificates;
    std::string trust_domain;  // of a SPIFFE bundle, else empty
    std::optional<std::uint64_t> sequence;

    bool is_bundle() const { return !trust_domain.empty(); }
};

struct WrittenAnchorSet {
    std::vector<WrittenAnchor> anchors;
    bool uses_mod_ssl = false;
    Where where;
};

struct WrittenFront {
    std::string header;
    std::string chain;  // empty: none
    FrontFormat format = FrontFormat::kRfc9440;
    std::vector<Network> networks;
    Where where;
};

struct WrittenPartner {
    std::string name;
    Where where;
    WrittenIdentities identities;
    std::shared_ptr<WrittenAnchorSet> anchors;
    bool has_own_anchors = false;
    std::vector<CertificateFile> intermediates;
    std::vector<std::string> intermediate_files;
    std::vector<WrittenGroup> groups;
    std::vector<WrittenAttribute> attributes;
    TimeWindow validity;
    std::vector<Network> networks;
    std::optional<TimeWindow> server_purpose;
    std::optional<Where> purpose;  // position of its MTLSPurpose
    std::optional<Where> suspended;
    std::string suspension_note;
    std::string contact;
    CrlRules crl_rules;
    std::vector<WrittenGrant> grants;
    std::optional<WrittenFront> front;
};

struct WrittenFile {
    std::string digest;
    std::size_t limit = 0;
    std::size_t count = 0;
    bool listed = false;   // a pattern whose folder could be read
    bool refuses = false;  // see PolicyFile
};

struct WrittenPolicy {
    std::vector<std::unique_ptr<WrittenPartner>> partners;
    std::size_t identities = 0;                          // number of identities of all partners
    SelectorIndexBuilder index{Repeats::kMustBeSingle};  // over all identities, in file order
    RevocationSetBuilder revocations;
    CrlRules crl_rules;
    std::vector<WrittenGrant> grants;
    std::vector<Expectation> expectations;
    std::vector<WatchedFiles> crl_files;
    std::map<std::string, WrittenFile> files;             // by path or pattern
    std::map<std::string, CertificateFile> certificates;  // by the digest of their file
};

// Throws std::bad_alloc if the arena is full.
const Policy& write_policy(WrittenPolicy& written, Arena& arena);

}  // namespace mtls
