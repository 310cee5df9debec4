// Selectors: typed tests on one certificate, `TYPE:VALUE`, parsed once at configuration time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/result.hpp"

namespace mtls {

// A selector can fail to have an answer: an attribute that must be single is repeated, a SPIFFE ID does not stand
// alone, or a name is spelled so that only some readers take it for one that fits. Granting needs kYes, also under `!`;
// refusing takes kCannotTell as yes.
enum class Answer { kNo, kYes, kCannotTell };

// Whether an attribute that occurs several times may match by any of its values. Identities and grants ask
// kMustBeSingle; whatever refuses asks kAnyCounts, so that repeating an attribute is no way out.
enum class Repeats { kMustBeSingle, kAnyCounts };

// What selectors ask of a verified path.
struct PathFacts {
    std::vector<std::string> ca_keys;  // SHA-256 of the keys of its CAs, nearest first
    // The authority-constrained policy set (RFC 5280 6.1.5, X.509 12.2): dotted OIDs, in the anchor's terms. What the
    // leaf asserts and a CA above it may not is left out.
    std::vector<std::string> policies;
    // Of the leaf, as ecdsa_twin_sha256() has it. A certificate and its twin are one: which was issued cannot be told.
    std::string leaf_twin = {};
};

enum class Field {
    kSubject,
    kIssuer,
    kDirName,
    kSubjectAttribute,
    kIssuerAttribute,
    kIssuerSpki,
    kDns,
    kEmail,
    kUri,
    kIp,
    kUpn,
    kOtherName,
    kRid,
    kSerial,
    kSha256,
    kSpki,
    kEku,
    kPolicy,
    kKey,
    kQcRole,
    kQcType,
    kExtension,
};

// RFC 1035 2.3.4. A longer dNSName matches nothing, so that the work for one stays bounded.
constexpr std::size_t kLongestDnsName = 255;

class Selector {
public:
    struct Parsed;  // the selector and what is suspicious about it

    // Reads one word. The error says what is wrong and what would be right.
    static Result<Parsed> parse(std::string_view word);

    // `path`: nullptr while none is known: a selector that needs one is then taken to hold, and has to be asked again.
    Answer test(const CertificateFacts& facts, const PathFacts* path, Repeats repeats) const;

    // What a certificate has in the field that this is about, as text; for people.
    std::vector<std::string> actual_values(const CertificateFacts& facts) const;
    // Where the answer is kCannotTell: the cause, and what would have an answer; for people.
    std::string why_unclear(const CertificateFacts& facts) const;
    // Whether no certificate can fit both: one is the other's negation, or they ask two values of a field that has one.
    bool contradicts(const Selector& other) const;

    bool negated() const { return negated_; }
    Field field() const { return field_; }
    bool needs_path() const { return field_ == Field::kIssuerSpki || field_ == Field::kPolicy; }

    // As written, type in its usual spelling.
    const std::string& text() const { return text_; }

    // What the field is compared with, in its compared form: for sha256:, spki-sha256: and issuer.spki-sha256: the raw
    // digest.
    const std::string& operand() const { return operand_; }

    // The network of an IP: selector.
    struct NetworkPrefix {
        bool is_v4;
        unsigned length;  // bits
    };
    std::optional<NetworkPrefix> network_prefix() const {
        if (field_ != Field::kIp) return std::nullopt;
        return NetworkPrefix{operand_.size() == 4, prefix_};
    }

    // Whether a certificate with two URI SANs, or that signs, cannot tell whether it fits.
    bool asks_spiffe() const { return field_ == Field::kUri && operand_.starts_with("spiffe://"); }
    static bool has_unclear_spiffe(const CertificateFacts& facts);

private:
    friend class SelectorParser;
    friend class IndexKeys;

    enum class Form { kExact, kOneLabel, kAnyDepth, kPath, kPresence };

    Answer test_positive(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const;
    KeyPattern key_pattern() const { return {oid_, operand_, static_cast<int>(prefix_)}; }
    Answer test_key(const KeyType& key) const;
    Answer test_policy(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const;
    Answer test_attribute(const DistinguishedName& name, Repeats repeats) const;
    Answer test_uri(const CertificateFacts& facts) const;
    Answer test_uri(std::string_view uri) const;
    Answer test_dns(std::string_view name) const;
    Answer test_email(std::string_view address) const;
    Answer test_upn(const CertificateFacts& facts) const;
    bool dns_matches(std::string_view name) const;
    bool email_matches(std::string_view address) const;
    bool ip_matches(std::string_view raw) const;
    bool extension_matches(const CertificateFacts& facts) const;

    Field field_ = Field::kSubject;
    Form form_ = Form::kExact;
    bool negated_ = false;
    std::string text_;
    std::string oid_;      // attribute, otherName, EKU, policy, extension; of key: its algorithm
    std::string operand_;  // what the field is compared with, in its compared form
    unsigned prefix_ = 0;  // IP: length of the network prefix in bits; of key: the least size
    std::optional<NamePattern> name_;
    std::optional<AttributePattern> attribute_;
};

struct Selector::Parsed {
    Selector selector;
    std::vector<std::string> warnings;
    bool reversed_name = false;  // a DN that is probably written in reverse
};

// The one value of a field that occurs once, as `MTLSAttribute NAME cert:TYPE` copies it. TYPE is checked by
// parse_field_name(); nothing where the field is absent or occurs more than once.
class FieldName {
public:
    static Result<FieldName> parse(std::string_view type);
    std::optional<std::string> value(const CertificateFacts& facts, const PathFacts& path) const;
    const std::string& text() const { return text_; }

private:
    Field field_ = Field::kSubject;
    std::string oid_;
    std::string text_;
};

}  // namespace mtls
