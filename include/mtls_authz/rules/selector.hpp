// Selectors: typed tests on one certificate, `TYPE:VALUE`. They are parsed once, when a policy is read, into records
// that lie in the policy; a Selector is a view of one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/base/relative.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/path_facts.hpp"

namespace mtls {

// A selector can fail to have an answer: an attribute that must be single is repeated, a SPIFFE ID does not stand
// alone, or a name is spelled so that only some readers take it for one that fits. Granting needs kYes, also under `!`;
// refusing takes kCannotTell as yes.
enum class Answer { kNo, kYes, kCannotTell };

// Whether an attribute that occurs several times may match by any of its values. Identities and grants ask
// kMustBeSingle; whatever refuses asks kAnyCounts, so that repeating an attribute is no way out.
enum class Repeats { kMustBeSingle, kAnyCounts };

enum class Field : std::uint8_t {
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
constexpr Field kLastField = Field::kExtension;

// RFC 1035 2.3.4. A longer dNSName matches nothing, so that the work for one stays bounded.
constexpr std::size_t kLongestDnsName = 255;

struct ParsedSelector;

// Valid for as long as the record that it views.
class Selector {
public:
    // Reads one word. The error says what is wrong and what would be right.
    static Result<ParsedSelector> parse(std::string_view word);

    // Takes the record at the beginning of `records` off them; nothing, and all of them, where that is none: where it
    // is cut off, or holds what no parser writes. So nothing outside of `records` is ever read.
    static std::optional<Selector> take(std::string_view& records);

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
    std::string_view text() const { return text_; }

    // What the field is compared with, in its compared form: for sha256:, spki-sha256: and issuer.spki-sha256: the raw
    // digest.
    std::string_view operand() const { return operand_; }

    // The network of an IP: selector.
    struct NetworkPrefix {
        bool is_v4;
        unsigned length;  // bits
    };
    std::optional<NetworkPrefix> network_prefix() const {
        if (field_ != Field::kIp) return std::nullopt;
        return NetworkPrefix{operand_.size() == 4, number_};
    }

    // Whether a certificate with two URI SANs, or that signs, cannot tell whether it fits.
    bool asks_spiffe() const { return field_ == Field::kUri && operand_.starts_with("spiffe://"); }
    static bool has_unclear_spiffe(const CertificateFacts& facts);

private:
    friend class SelectorParser;
    friend class IndexKeys;

    // kExact: the operand as a whole; of attributes their folded text. kDer: an attribute's encoded value.
    enum class Form : std::uint8_t { kExact, kOneLabel, kAnyDepth, kPath, kPresence, kDer };
    static constexpr Form kLastForm = Form::kDer;

    // The record that this is read from again: see selector_record.cpp.
    std::string record() const;

    Answer test_positive(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const;
    KeyPattern key_pattern() const { return {oid_, operand_, static_cast<int>(number_)}; }
    Answer test_key(const KeyType& key) const;
    Answer test_policy(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const;
    Answer test_attribute(const DistinguishedName& name, Repeats repeats) const;
    Answer test_uri(const CertificateFacts& facts) const;
    Answer test_uri(std::string_view uri) const;
    Answer test_dns(std::string_view name) const;
    Answer test_email(std::string_view address) const;
    Answer test_upn(const CertificateFacts& facts) const;
    bool fits_name(const DistinguishedName& name) const { return name_fits(name, operand_, exact_); }
    bool dns_matches(std::string_view name) const;
    bool email_matches(std::string_view address) const;
    bool ip_matches(std::string_view raw) const;
    bool extension_matches(const CertificateFacts& facts) const;

    Field field_ = Field::kSubject;
    Form form_ = Form::kExact;
    bool negated_ = false;
    unsigned number_ = 0;  // IP: length of the network prefix in bits; of key: the least size
    std::string_view text_;
    std::string_view oid_;      // attribute, otherName, EKU, policy, extension; of key: its algorithm
    std::string_view operand_;  // what the field is compared with, in its compared form
    std::string_view exact_;    // of a name: what name_fits() asks beside the operand
};

// A selector that owns its record, and what is suspicious about it.
struct ParsedSelector {
    std::string record;
    std::vector<std::string> warnings = {};
    bool reversed_name = false;  // a DN that is probably written in reverse

    // Valid for as long as this.
    Selector selector() const& {
        std::string_view rest = record;
        return *Selector::take(rest);
    }
    Selector selector() const&& = delete;
};

// The one value of a field that occurs once, as `MTLSAttribute NAME cert:TYPE` and `%{cert:TYPE}` copy it; nothing
// where the field is absent or occurs more than once. Lies in a policy.
class FieldName {
public:
    // Keeps what it holds in `arena`.
    static Result<FieldName> parse(std::string_view type, Arena& arena);
    std::optional<std::string> value(const CertificateFacts& facts, const PathFacts& path) const;
    std::string_view text() const { return text_; }

    bool lies_in(const Bounds& in) const { return in.hold_all(oid_, text_); }

private:
    Field field_ = Field::kSubject;
    Text oid_;
    Text text_;
};

}  // namespace mtls
