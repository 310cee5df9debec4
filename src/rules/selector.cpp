#include "mtls_authz/rules/selector.hpp"

#include <algorithm>
#include <array>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/uri.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/selector_types.hpp"

namespace mtls {

namespace {

// Only O, OU and DC may occur several times in a name (RFC 4519 2.19, 2.20, 2.4); for other attributes the answer is
// then kCannotTell.
bool may_repeat(std::string_view oid) {
    return oid == "2.5.4.10" || oid == "2.5.4.11" || oid == "0.9.2342.19200300.100.1.25";
}

Answer answer(bool yes) { return yes ? Answer::kYes : Answer::kNo; }

template <class Range, class Match>
Answer any_of(const Range& range, Match match) {
    return answer(std::any_of(range.begin(), range.end(), match));
}

template <class Range, class Test>
Answer best_of(const Range& range, Test test) {
    Answer out = Answer::kNo;
    for (const auto& value : range) {
        const Answer one = test(value);
        if (one == Answer::kYes) return one;
        if (one == Answer::kCannotTell) out = one;
    }
    return out;
}

Answer contains(const std::vector<std::string>& values, std::string_view wanted) {
    return answer(std::find(values.begin(), values.end(), wanted) != values.end());
}

}  // namespace

std::optional<std::size_t> domain_at(std::string_view address) {
    const std::size_t last = address.rfind('@');
    if (last == std::string_view::npos) return std::nullopt;
    bool quoted = false;
    for (std::size_t i = 0; i < last; ++i) {
        const char c = address[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"' && i == (quoted ? last - 1 : 0)) {
            quoted = !quoted;
        } else if (c == '"' || (!quoted && (c == '@' || c == '\\'))) {
            return std::nullopt;
        }
    }
    return quoted ? std::nullopt : std::optional(last + 1);
}

std::vector<std::string> email_readings(std::string_view address) {
    std::vector<std::string> out;
    if (domain_at(address)) {
        if (const auto other = dns_reading(address)) out.emplace_back(*other);
        return out;
    }
    const auto parts = split(address, '@');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const std::string_view domain = dns_reading(parts[i + 1]).value_or(parts[i + 1]);
        out.push_back(std::string(parts[i]) + "@" + std::string(domain));
    }
    return out;
}

std::optional<std::string_view> dns_reading(std::string_view name) {
    if (!name.ends_with('.')) return std::nullopt;
    while (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

Answer Selector::test(const CertificateFacts& facts, const PathFacts* path, Repeats repeats) const {
    if (needs_path() && path == nullptr) {
        // If the leaf asserts no policy, the path permits none.
        const bool never = field_ == Field::kPolicy && !negated_ && facts.policies.empty();
        return answer(!never);
    }
    const PathFacts none;
    const Answer positive = test_positive(facts, path != nullptr ? *path : none, repeats);
    if (!negated_ || positive == Answer::kCannotTell) return positive;
    return positive == Answer::kYes ? Answer::kNo : Answer::kYes;
}

namespace {

void add_attributes(const DistinguishedName& name, std::string_view oid, std::vector<std::string>& out) {
    for (const NameAttribute& attribute : name.attributes) {
        if (attribute.oid == oid) out.push_back(attribute.text);
    }
}

std::vector<std::string> named(const std::vector<std::string>& oids) {
    std::vector<std::string> out;
    for (const std::string& oid : oids) out.push_back(oid_name(oid));
    return out;
}

}  // namespace

std::vector<std::string> Selector::actual_values(const CertificateFacts& facts) const {
    std::vector<std::string> out;
    switch (field_) {
        case Field::kSubject:
            return {facts.subject.text()};
        case Field::kIssuer:
            return {facts.issuer.text()};
        case Field::kDirName:
            for (const DistinguishedName& name : facts.dir_name) out.push_back(name.text());
            return out;
        case Field::kSubjectAttribute:
            add_attributes(facts.subject, oid_, out);
            return out;
        case Field::kIssuerAttribute:
            add_attributes(facts.issuer, oid_, out);
            return out;
        case Field::kIssuerSpki:
            return {};
        case Field::kDns:
            return facts.dns;
        case Field::kEmail:
            return facts.email;
        case Field::kUri:
            return facts.uri;
        case Field::kIp:
            for (const std::string& raw : facts.ip) out.push_back(ip_text(raw));
            return out;
        case Field::kUpn:
            return facts.upn;
        case Field::kOtherName:
            for (const OtherName& name : facts.other_name) {
                if (name.oid == oid_) out.push_back(name.value);
            }
            return out;
        case Field::kRid:
            return facts.rid;
        case Field::kSerial:
            return {facts.serial};
        case Field::kSha256:
            return {hex(bytes_of(facts.sha256))};
        case Field::kSpki:
            return {hex(bytes_of(facts.spki_sha256))};
        case Field::kEku:
            return named(facts.eku);
        case Field::kPolicy:
            return facts.policies;
        case Field::kKey:
            return {facts.key.text()};
        case Field::kQcRole:
            return facts.qc_roles;
        case Field::kQcType:
            return facts.qc_types;
        case Field::kExtension:
            for (const Extension& extension : facts.extensions) {
                if (extension.oid == oid_) out.push_back("#" + hex(bytes_of(extension.value)));
            }
            return out;
    }
    return out;
}

std::string Selector::why_unclear(const CertificateFacts& facts) const {
    if (asks_spiffe() && has_unclear_spiffe(facts)) {
        return "a certificate with a SPIFFE ID holds no other URI, is no CA and signs nothing: the selector cannot "
               "tell";
    }
    if (field_ == Field::kKey)
        return "the certificate does not name the curve of its key, or holds a key that does not decode: the selector "
               "cannot tell";
    if (field_ == Field::kSpki) return "the certificate has this key in another encoding: name the one that it has";
    if (field_ == Field::kIssuerSpki)
        return "a CA on the path has this key in another encoding: name the one that it has";
    if (field_ == Field::kSerial)
        return "the serial number is negative, and its octets read like this one: write " + facts.serial;
    std::string type(text_.substr(negated_ ? 1 : 0));
    type.resize(std::min(type.find(':'), type.size()));
    const bool has_readings =
        field_ == Field::kUri || field_ == Field::kDns || field_ == Field::kEmail || field_ == Field::kUpn;
    if (has_readings) {
        return "a " + type +
               " name of the certificate is spelled so that some readers take it for one that fits, and "
               "others do not: the selector cannot tell";
    }
    const std::size_t count = actual_values(facts).size();
    return type + " occurs " + (count == 2 ? "twice" : std::to_string(count) + " times") +
           ": the selector cannot tell which one counts; " +
           (field_ == Field::kIssuerAttribute ? "issuer" : "subject") + ": compares the whole name";
}

bool Selector::contradicts(const Selector& other) const {
    if (field_ == Field::kKey && other.field_ == Field::kKey) {
        const KeyPattern mine = key_pattern(), theirs = other.key_pattern();
        if (negated_ == other.negated_) return !negated_ && mine.excludes(theirs);
        return negated_ ? theirs.is_within(mine) : mine.is_within(theirs);
    }
    if (rules_out(other) || other.rules_out(*this)) return true;
    const auto is_whole = [](Form form) { return form == Form::kExact || form == Form::kDer; };
    if (field_ != other.field_ || oid_ != other.oid_ || !is_whole(form_) || !is_whole(other.form_)) return false;
    const bool are_same = form_ == other.form_ && operand_ == other.operand_ && number_ == other.number_;
    if (negated_ != other.negated_) return are_same;
    if (negated_ || are_same) return false;
    switch (field_) {
        case Field::kSubject:
        case Field::kIssuer:
        case Field::kSerial:
        case Field::kSha256:
        case Field::kSpki:
            return true;
        case Field::kSubjectAttribute:
        case Field::kIssuerAttribute:
            return !may_repeat(oid_);
        default:
            return false;
    }
}

namespace {

// `text` as a DER UTF8String.
std::string utf8_string(std::string_view text) {
    constexpr std::size_t kShort = 0x80;  // longer lengths take more bytes (X.690 8.1.3.5)
    std::string out = "\x0c";
    if (text.size() >= kShort) out += '\x82', out += static_cast<char>(text.size() >> 8);
    return (out += static_cast<char>(text.size())).append(text);
}

// With each `*` or `**` as one segment.
std::string without_wildcards(std::string_view uri) {
    std::string out(uri);
    for (std::size_t at = 0; (at = out.find('*')) != std::string::npos;) {
        out.replace(at, std::min(out.find_first_not_of('*', at), out.size()) - at, "x");
    }
    return out;
}

bool set_name(DistinguishedName& name, std::string_view text) {
    auto pattern = NamePattern::parse(text);
    if (!pattern || !name.attributes.empty()) return false;
    name = std::move(pattern.value().name);
    return true;
}

// Nothing is added to a whole name, which has a canonical form.
bool add_attribute(DistinguishedName& name, NameAttribute attribute) {
    if (!name.canonical.empty()) return false;
    name.attributes.push_back(std::move(attribute));
    return true;
}

bool set_once(std::string& field, std::string_view value) {
    if (!field.empty()) return false;
    field = value;
    return true;
}

}  // namespace

bool Selector::add_specimen(CertificateFacts& facts) const {
    const bool is_der = form_ == Form::kDer;
    const std::string value(operand_), oid(oid_);
    const std::string_view name_text = text_.substr(std::min(text_.find(':') + 1, text_.size()));
    switch (field_) {
        case Field::kSubject:
            return set_name(facts.subject, name_text);
        case Field::kIssuer:
            return set_name(facts.issuer, name_text);
        case Field::kDirName:
            return set_name(facts.dir_name.emplace_back(), name_text);
        case Field::kSubjectAttribute:
        case Field::kIssuerAttribute:
            return add_attribute(field_ == Field::kIssuerAttribute ? facts.issuer : facts.subject,
                                 {oid, 0, value, is_der ? std::string() : canonical_of_text(operand_), value});
        case Field::kDns:
            facts.dns.push_back((form_ == Form::kExact ? "" : "x.") + value);
            return true;
        case Field::kEmail:
            facts.email.push_back((form_ == Form::kExact ? "" : "x@") + value);
            return true;
        case Field::kUri:
            facts.uri.push_back(form_ == Form::kExact ? value : without_wildcards(value));
            return true;
        case Field::kIp:
            facts.ip.push_back(value);
            return true;
        case Field::kUpn:
            facts.upn.push_back(value);
            return true;
        case Field::kOtherName:
            facts.other_name.push_back({oid, value});
            return true;
        case Field::kRid:
            facts.rid.push_back(oid);
            return true;
        case Field::kSerial:
            return set_once(facts.serial, value);
        case Field::kSha256:
            return set_once(facts.sha256, value);
        case Field::kSpki:
            return set_once(facts.spki_sha256, value);
        case Field::kEku:
            facts.eku.push_back(oid);
            return true;
        case Field::kPolicy:
            facts.policies.push_back(oid);
            return true;
        case Field::kQcRole:
            facts.qc_roles.push_back(oid);
            return true;
        case Field::kQcType:
            facts.qc_types.push_back(oid);
            return true;
        case Field::kExtension:
            facts.extensions.push_back({});
            facts.extensions.back().oid = oid;
            facts.extensions.back().value = utf8_string(operand_);
            return true;
        case Field::kIssuerSpki:
        case Field::kKey:
            return false;
    }
    return false;
}

// Whether a certificate with the one value that fits this selector, all else unknown, fails the other: one that negates
// this field, or one on an attribute of this whole name. Encoded values (#hex) are not compared.
bool Selector::rules_out(const Selector& other) const {
    const bool is_name = field_ == Field::kSubject || field_ == Field::kIssuer;
    const Field part = field_ == Field::kSubject ? Field::kSubjectAttribute : Field::kIssuerAttribute;
    const bool is_comparable = is_name ? exact_.empty() && other.field_ == part && other.form_ == Form::kExact
                                       : field_ == other.field_ && other.negated_;
    if (negated_ || !is_comparable || (!is_exact() && form_ != Form::kPresence)) return false;
    CertificateFacts facts;
    return add_specimen(facts) && other.test(facts, nullptr, Repeats::kAnyCounts) == Answer::kNo;
}

Answer Selector::test_positive(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const {
    switch (field_) {
        case Field::kSubject:
            return answer(fits_name(facts.subject));
        case Field::kIssuer:
            return answer(fits_name(facts.issuer));
        case Field::kDirName:
            return any_of(facts.dir_name, [this](const DistinguishedName& name) { return fits_name(name); });
        case Field::kSubjectAttribute:
            return test_attribute(facts.subject, repeats);
        case Field::kIssuerAttribute:
            return test_attribute(facts.issuer, repeats);
        case Field::kIssuerSpki:
            if (contains(path.ca_keys, operand_) == Answer::kYes) return Answer::kYes;
            // The client chooses which certificate of a CA it sends.
            return contains(path.other_ca_keys, operand_) == Answer::kYes ? Answer::kCannotTell : Answer::kNo;
        case Field::kDns:
            return best_of(facts.dns, [this](const std::string& name) { return test_dns(name); });
        case Field::kEmail:
            return best_of(facts.email, [this](const std::string& address) { return test_email(address); });
        case Field::kUri:
            return test_uri(facts);
        case Field::kIp:
            return any_of(facts.ip, [this](const std::string& raw) { return ip_matches(raw); });
        case Field::kUpn:
            return test_upn(facts);
        case Field::kOtherName:
            return any_of(facts.other_name,
                          [this](const OtherName& name) { return name.oid == oid_ && name.value == operand_; });
        case Field::kRid:
            return contains(facts.rid, oid_);
        case Field::kSerial:
            // Tools that print the octets show another number for a negative serial.
            if (!facts.serial_octets.empty() && facts.serial_octets == operand_) return Answer::kCannotTell;
            return answer(facts.serial == operand_);
        case Field::kSha256:
            if (path.leaf_twin == operand_) return Answer::kCannotTell;
            return answer(facts.sha256 == operand_);
        case Field::kSpki:
            if (contains(facts.other_spki_sha256, operand_) == Answer::kYes) return Answer::kCannotTell;
            return answer(facts.spki_sha256 == operand_);
        case Field::kEku:
            return contains(facts.eku, oid_);
        case Field::kPolicy:
            return test_policy(facts, path, repeats);
        case Field::kKey:
            return test_key(facts.key);
        case Field::kQcRole:
            return contains(facts.qc_roles, oid_);
        case Field::kQcType:
            return contains(facts.qc_types, oid_);
        case Field::kExtension:
            return answer(extension_matches(facts));
    }
    return Answer::kCannotTell;
}

Answer Selector::test_key(const KeyType& key) const {
    const auto fits = key_pattern().fits(key);
    return fits ? answer(*fits) : Answer::kCannotTell;
}

// Granting tests the policies that the path permits; under `!` also those that only the leaf asserts, since the client
// chooses which intermediates it sends. Refusing counts the latter in any case.
Answer Selector::test_policy(const CertificateFacts& facts, const PathFacts& path, Repeats repeats) const {
    constexpr std::string_view kAnyPolicy = "2.5.29.32.0";
    const Answer allowed = contains(path.policies, oid_), asserted = contains(facts.policies, oid_);
    if (repeats == Repeats::kAnyCounts) return asserted != allowed ? Answer::kCannotTell : allowed;
    const bool may_be = asserted == Answer::kYes || contains(facts.policies, kAnyPolicy) == Answer::kYes;
    return allowed == Answer::kNo && may_be ? Answer::kCannotTell : allowed;
}

Answer Selector::test_attribute(const DistinguishedName& name, Repeats repeats) const {
    std::size_t occurrences = 0;
    std::size_t matching = 0;
    for (const NameAttribute& attribute : name.attributes) {
        if (attribute.oid != oid_) continue;
        ++occurrences;
        const bool fits = form_ == Form::kDer ? attribute.der == operand_ : attribute_fits(attribute, operand_);
        if (fits) ++matching;
    }
    // A second CN can make one subject look like another to parsers that use the first CN, or the last.
    const bool is_clear = repeats == Repeats::kAnyCounts && (matching == 0 || matching == occurrences);
    if (occurrences > 1 && !is_clear && !may_repeat(oid_)) return Answer::kCannotTell;
    return answer(matching > 0);
}

// SPIFFE X509-SVID 2 and 4: exactly one URI SAN, in a leaf that is no CA and signs nothing.
bool Selector::has_unclear_spiffe(const CertificateFacts& facts) {
    const bool is_only_uri = facts.uri.size() == 1 && !facts.is_ca && !facts.signs_certificates;
    return !is_only_uri && std::any_of(facts.uri.begin(), facts.uri.end(), [](const std::string& uri) {
        return canonical_uri(uri).starts_with("spiffe://");
    });
}

Answer Selector::test_uri(const CertificateFacts& facts) const {
    if (asks_spiffe() && has_unclear_spiffe(facts)) return Answer::kCannotTell;
    return best_of(facts.uri, [this](const std::string& uri) { return test_uri(uri); });
}

Answer Selector::test_uri(std::string_view uri) const {
    const std::string canonical = canonical_uri(uri);
    const bool is_exact = form_ == Form::kExact;
    if (is_exact ? canonical == operand_ : uri_pattern_matches(operand_, canonical)) return Answer::kYes;
    const auto readings = uri_readings(canonical);
    const auto fits = [&](const std::string& other) {
        return is_exact ? other == operand_ : uri_pattern_may_match(operand_, other);
    };
    const bool may_fit = !readings || std::any_of(readings->begin(), readings->end(), fits);
    return may_fit ? Answer::kCannotTell : Answer::kNo;
}

Answer Selector::test_dns(std::string_view name) const {
    if (dns_matches(name)) return Answer::kYes;
    const auto other = dns_reading(name);
    return other && dns_matches(*other) ? Answer::kCannotTell : Answer::kNo;
}

Answer Selector::test_email(std::string_view address) const {
    const auto at = domain_at(address);
    if (at && email_matches(address, *at)) return Answer::kYes;
    const auto others = email_readings(address);
    const bool may_fit = std::any_of(others.begin(), others.end(), [this](const std::string& other) {
        return email_matches(other, other.rfind('@') + 1);
    });
    return may_fit ? Answer::kCannotTell : Answer::kNo;
}

Answer Selector::test_upn(const CertificateFacts& facts) const {
    const auto is_same = [this](const std::string& upn) { return equal_nocase(upn, operand_); };
    if (std::any_of(facts.upn.begin(), facts.upn.end(), is_same)) return Answer::kYes;
    const bool may_fit = std::any_of(facts.odd_upn.begin(), facts.odd_upn.end(), is_same);
    return may_fit ? Answer::kCannotTell : Answer::kNo;
}

bool Selector::dns_matches(std::string_view name) const {
    if (name.size() > kLongestDnsName) return false;
    if (form_ == Form::kExact) return equal_nocase(name, operand_);
    // Whole labels, or evil-acme.example passes for *.acme.example.
    if (name.size() <= operand_.size() + 1) return false;
    const std::size_t dot = name.size() - operand_.size() - 1;
    if (name[dot] != '.' || !equal_nocase(name.substr(dot + 1), operand_)) return false;
    const auto labels = split(name.substr(0, dot), '.');
    const bool whole = std::none_of(labels.begin(), labels.end(), [](std::string_view l) { return l.empty(); });
    return whole && (form_ == Form::kAnyDepth || labels.size() == 1);
}

bool Selector::email_matches(std::string_view address, std::size_t at) const {
    const std::string_view domain = address.substr(at);
    if (form_ == Form::kOneLabel) return at > 1 && equal_nocase(domain, operand_);
    const auto wanted = domain_at(operand_);
    return wanted && *wanted == at && address.substr(0, at) == operand_.substr(0, at) &&
           equal_nocase(domain, operand_.substr(at));
}

bool Selector::ip_matches(std::string_view raw) const {
    return raw.size() == operand_.size() && masked(raw, number_) == operand_;
}

bool Selector::extension_matches(const CertificateFacts& facts) const {
    for (const Extension& extension : facts.extensions) {
        if (extension.oid != oid_) continue;
        if (form_ == Form::kPresence) return true;
        return der_string_text(extension.value) == operand_;
    }
    return false;
}

}  // namespace mtls
