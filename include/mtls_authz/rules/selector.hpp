// Selectors: typed tests on one certificate, `TYPE:VALUE`. They are parsed once, during the build of a policy, into
// records in the policy; a Selector is a view of a record.
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

// kCannotTell: an attribute that must be single occurs several times, a SPIFFE ID is not the only URI, or a name is
// spelled so that only some parsers consider it a match. Granting needs kYes, also under `!`; refusing treats
// kCannotTell as kYes.
enum class Answer { kNo, kYes, kCannotTell };

// Whether any value of a repeated attribute may match. Identities and grants use kMustBeSingle; refusals use
// kAnyCounts, or repeating an attribute would evade them.
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

// RFC 1035 2.3.4. A longer dNSName matches nothing, which bounds the work per name.
constexpr std::size_t kLongestDnsName = 255;

// The most hex digits that cert-serial: accepts: 20 octets (RFC 5280 4.1.2.2).
constexpr std::size_t kMostSerialDigits = 40;
// Whether these hex digits look like a decimal number. cert-serial: accepts them only with 0x before them.
bool reads_as_decimal(std::string_view digits);

struct ParsedSelector;

// Whether a selector may begin with `type:`.
bool is_selector_type(std::string_view type);

// Valid as long as the record that it views.
class Selector {
public:
    // Parses one word. The error names the fault and the expected form.
    static Result<ParsedSelector> parse(std::string_view word);

    // Removes the record at the beginning of `records` and returns it. If it is truncated or not valid, returns nothing
    // and clears `records`. Never reads beyond `records`.
    static std::optional<Selector> take(std::string_view& records);

    // `path`: nullptr before a path is verified; a selector that needs it then counts as holding, and must be tested
    // again.
    Answer test(const CertificateFacts& facts, const PathFacts* path, Repeats repeats) const;

    // The certificate's values of the field that this selector tests, as text for display.
    std::vector<std::string> actual_values(const CertificateFacts& facts) const;
    // For the answer kCannotTell: the cause and the remedy, for display.
    std::string why_unclear(const CertificateFacts& facts) const;
    // Whether no certificate can satisfy both: one negates the other, or both require different values of a
    // single-valued field.
    bool contradicts(const Selector& other) const;

    // Adds the shortest value that matches this selector, ignoring `negated`, so that selectors can be compared.
    // Returns false if no value can be invented (a key), or if the field has a value and cannot have a second one.
    bool add_specimen(CertificateFacts& facts) const;

    bool negated() const { return negated_; }
    Field field() const { return field_; }
    // The attribute, otherName, EKU, policy or extension as a dotted OID; for key: the algorithm; else empty.
    std::string_view oid() const { return oid_; }
    // Whether only one value of the field fits.
    bool is_exact() const {
        if (field_ == Field::kIp) return number_ == operand_.size() * 8;
        return field_ != Field::kKey && (form_ == Form::kExact || form_ == Form::kDer);
    }
    bool needs_path() const { return field_ == Field::kIssuerSpki || field_ == Field::kPolicy; }

    // As written, with the type in its canonical spelling.
    std::string_view text() const { return text_; }

    // The value that the field is compared with, in canonical form; for sha256:, spki-sha256: and issuer.spki-sha256:,
    // the raw digest.
    std::string_view operand() const { return operand_; }

    // The network of an IP: selector.
    struct NetworkPrefix {
        bool is_v4;
        unsigned length;  // in bits
    };
    std::optional<NetworkPrefix> network_prefix() const {
        if (field_ != Field::kIp) return std::nullopt;
        return NetworkPrefix{operand_.size() == 4, number_};
    }

    // Whether the selector tests a SPIFFE ID; it then answers kCannotTell for certificates with has_unclear_spiffe():
    // two URI SANs, or a CA, or a signing keyUsage.
    bool asks_spiffe() const { return field_ == Field::kUri && operand_.starts_with("spiffe://"); }
    static bool has_unclear_spiffe(const CertificateFacts& facts);

private:
    friend class SelectorParser;
    friend class IndexKeys;

    // kExact: the whole operand (for attributes, canonical text). kDer: an attribute's encoded value.
    enum class Form : std::uint8_t { kExact, kOneLabel, kAnyDepth, kPath, kPresence, kDer };
    static constexpr Form kLastForm = Form::kDer;

    // Serialises the selector; format in selector_record.cpp.
    std::string record() const;

    Answer test_positive(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const;
    bool rules_out(const Selector& other) const;
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
    bool email_matches(std::string_view address, std::size_t at) const;  // `at`: the offset of its domain
    bool ip_matches(std::string_view raw) const;
    bool extension_matches(const CertificateFacts& facts) const;

    Field field_ = Field::kSubject;
    Form form_ = Form::kExact;
    bool negated_ = false;
    unsigned number_ = 0;  // IP: network prefix length in bits; key: minimum size in bits
    std::string_view text_;
    std::string_view oid_;      // of attribute, otherName, EKU, policy, extension; for key: the algorithm
    std::string_view operand_;  // the value that the field is compared with, in canonical form
    std::string_view exact_;    // names: the second argument of name_fits()
};

// A parsed selector that owns its record, with its warnings.
struct ParsedSelector {
    std::string record;
    std::vector<std::string> warnings = {};

    // Valid as long as this object.
    Selector selector() const& {
        std::string_view rest = record;
        return *Selector::take(rest);
    }
    Selector selector() const&& = delete;
};

// The value of a single-valued certificate field, for `MTLSAttribute NAME cert:TYPE` and `%{cert:TYPE}`; nothing if the
// field is absent or occurs more than once. Stored in a policy.
class FieldName {
public:
    // Stores its texts in `arena`.
    static Result<FieldName> parse(std::string_view type, Arena& arena);
    std::optional<std::string> value(const CertificateFacts& facts, const PathFacts& path) const;
    std::string_view text() const { return text_; }

    bool is_inside(const Bounds& in) const { return in.hold_all(oid_, text_); }

private:
    Field field_ = Field::kSubject;
    Text oid_;
    Text text_;
};

}  // namespace mtls
