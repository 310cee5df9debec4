#include "mtls_authz/rules/index_keys.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/uri.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/selector_types.hpp"

namespace mtls {

KeyedHash KeyedHash::random() {
    std::array<std::uint64_t, 2> key{};
    const ErrorQueueGuard errors;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), sizeof key) != 1) {
        throw std::runtime_error("OpenSSL gives no random numbers: see its configuration (openssl.cnf)");
    }
    return {key[0], key[1]};
}

namespace {

// The types of keys, each with its own trie.
constexpr char kDnsExact = 'd', kDnsOneLabel = 'e', kDnsAnyDepth = 'g', kUriExact = 'u', kUriPattern = 'v',
               kEmail = 'm', kEmailDomain = 'n', kAttribute = 'a', kAttributeDer = 'b', kIssuerAttribute = 'l',
               kIssuerAttributeDer = 'L', kNetwork = 'i';

// For fields with one value that is compared as a whole.
char kind_of(Field field) {
    switch (field) {
        case Field::kSha256:
            return 'f';
        case Field::kSpki:
            return 'k';
        case Field::kUpn:
            return 'p';
        case Field::kSubject:
            return 's';
        case Field::kDirName:
            return 't';
        case Field::kIssuer:
            return 'j';
        case Field::kOtherName:
            return 'o';
        case Field::kRid:
            return 'r';
        case Field::kSerial:
            return 'c';
        case Field::kQcRole:
            return 'q';
        case Field::kQcType:
            return 'y';
        case Field::kExtension:
            return 'x';
        case Field::kEku:
            return 'E';
        case Field::kKey:
            return 'K';
        default:
            return '\0';
    }
}

// Selectors of one party come before selectors of a class.
enum Rank { kPin, kName, kPart, kSerialNumber, kPatternRank, kIssuerName, kPurpose };

// `literal` marks a literal segment, so that a literal "*" differs from the wildcard.
constexpr std::string_view kOneSegment = "*";
constexpr std::string_view kDeepEnd = "**";
std::string literal(std::string_view segment) { return "/" + std::string(segment); }

}  // namespace

IndexKey NameTrie::step(IndexKey from, std::string_view piece) const {
    std::array<char, 256> room;
    if (piece.size() + sizeof from <= room.size()) {
        std::memcpy(room.data(), &from, sizeof from);
        std::memcpy(room.data() + sizeof from, piece.data(), piece.size());
        return hash_({room.data(), piece.size() + sizeof from});
    }
    std::string long_piece(reinterpret_cast<const char*>(&from), sizeof from);
    return hash_(long_piece += piece);
}

void PrefixLengths::add(const Selector& selector) {
    const auto prefix = selector.network_prefix();
    if (!prefix) return;
    if (prefix->is_v4) {
        v4.set(prefix->length);
    } else {
        v6.set(prefix->length);
    }
}

namespace {

// From the last label to the first, the order of DNS delegation.
std::vector<std::string_view> labels_of(std::string_view folded) {
    auto labels = split(folded, '.');
    std::reverse(labels.begin(), labels.end());
    return labels;
}

IndexKey domain_key(const NameTrie& trie, char kind, std::string_view folded) {
    IndexKey at = trie.root(kind, "");
    for (const std::string_view label : labels_of(folded)) at = trie.step(at, label);
    return at;
}

}  // namespace

std::optional<IndexKeys::Key> IndexKeys::of(const Selector& s) const {
    if (s.negated_) return std::nullopt;
    const auto key = [this](char kind, std::string_view bytes, int rank) {
        return Key{trie_.root(kind, bytes), rank, kind};
    };
    using Form = Selector::Form;
    switch (s.field_) {
        case Field::kSha256:
        case Field::kSpki:
            return key(kind_of(s.field_), s.operand_, kPin);
        case Field::kUri:
            if (s.form_ != Form::kExact) return Key{steps_of(s).back(), kPatternRank, kUriPattern};
            return key(kUriExact, s.operand_, kName);
        case Field::kDns: {
            if (s.form_ == Form::kExact) return key(kDnsExact, lower(s.operand_), kName);
            const char kind = s.form_ == Form::kOneLabel ? kDnsOneLabel : kDnsAnyDepth;
            return Key{domain_key(trie_, kind, lower(s.operand_)), kPatternRank, kind};
        }
        case Field::kEmail: {
            if (s.form_ != Form::kExact) return key(kEmailDomain, lower(s.operand_), kPatternRank);
            const std::size_t at = *domain_at(s.operand_);  // the parser accepts no other address
            return key(kEmail, std::string(s.operand_.substr(0, at)) + lower(s.operand_.substr(at)), kName);
        }
        case Field::kUpn:
            return key(kind_of(s.field_), lower(s.operand_), kName);
        case Field::kIp:
            return key(kNetwork, std::to_string(s.number_) + "/" + std::string(s.operand_),
                       s.number_ == s.operand_.size() * 8 ? kName : kPatternRank);
        case Field::kSubject:
        case Field::kDirName:
            return key(kind_of(s.field_), s.operand_, kName);
        case Field::kIssuer:
            return key(kind_of(s.field_), s.operand_, kIssuerName);
        case Field::kSubjectAttribute:
        case Field::kIssuerAttribute: {
            const bool own = s.field_ == Field::kSubjectAttribute;
            const bool der = s.form_ == Form::kDer;
            const char kind = own ? (der ? kAttributeDer : kAttribute) : (der ? kIssuerAttributeDer : kIssuerAttribute);
            const std::string compared = der ? std::string(s.operand_) : canonical_of_text(s.operand_);
            return key(kind, std::string(s.oid_) + "=" + compared, own ? kPart : kIssuerName);
        }
        case Field::kOtherName:
            return key(kind_of(s.field_), std::string(s.oid_) + "=" + std::string(s.operand_), kPart);
        case Field::kRid:
            return key(kind_of(s.field_), s.oid_, kPart);
        case Field::kSerial:
            return key(kind_of(s.field_), s.operand_, kSerialNumber);
        case Field::kQcRole:
        case Field::kQcType:
        case Field::kExtension:
        case Field::kEku:
        case Field::kKey:
            return key(kind_of(s.field_), s.oid_, kPurpose);
        case Field::kIssuerSpki:
        case Field::kPolicy:  // the path's policy set is not known yet
            return std::nullopt;
    }
    return std::nullopt;
}

// One key per segment; the last key is the pattern's own.
std::vector<IndexKey> IndexKeys::steps_of(const Selector& s) const {
    if (s.negated_ || s.field_ != Field::kUri || s.form_ == Selector::Form::kExact) return {};
    const UriParts parts = split_uri(s.operand_);
    std::vector<IndexKey> out = {trie_.root(kUriPattern, parts.scheme_and_authority)};
    for (const std::string_view segment : segments_of(parts.path)) {
        const bool wild = segment == kOneSegment || segment == kDeepEnd;
        out.push_back(trie_.step(out.back(), wild ? std::string(segment) : literal(segment)));
    }
    out.push_back(trie_.step(out.back(), "?" + std::string(parts.query)));
    return out;
}

void IndexKeys::add_dns(const std::string& name, const KeyKinds& kinds, std::vector<IndexKey>& out) const {
    if (name.size() > kLongestDnsName) return;
    const std::string folded = lower(name);
    if (kinds.has(kDnsExact)) out.push_back(trie_.root(kDnsExact, folded));
    if (!kinds.has(kDnsOneLabel) && !kinds.has(kDnsAnyDepth)) return;
    const auto labels = labels_of(folded);
    IndexKey one = trie_.root(kDnsOneLabel, "");
    IndexKey deep = trie_.root(kDnsAnyDepth, "");
    for (std::size_t i = 0; i + 1 < labels.size(); ++i) {
        one = trie_.step(one, labels[i]);
        deep = trie_.step(deep, labels[i]);
        out.push_back(deep);
    }
    if (labels.size() > 1) out.push_back(one);
}

void IndexKeys::add_uri(const std::string& canonical, const std::function<bool(IndexKey)>& is_step,
                        std::vector<IndexKey>& out) const {
    out.push_back(trie_.root(kUriExact, canonical));
    const UriParts parts = split_uri(canonical);
    if (!parts.has_authority) return;
    const std::string query = "?" + std::string(parts.query);
    // All trie nodes that match the segments so far.
    std::vector<IndexKey> places = {trie_.root(kUriPattern, parts.scheme_and_authority)};
    for (const std::string_view segment : segments_of(parts.path)) {
        std::vector<IndexKey> next;
        for (const IndexKey place : places) {
            if (!is_step(place)) continue;
            out.push_back(trie_.step(trie_.step(place, kDeepEnd), query));
            next.push_back(trie_.step(place, literal(segment)));
            next.push_back(trie_.step(place, kOneSegment));
        }
        places = std::move(next);
    }
    for (const IndexKey place : places) {
        if (is_step(place)) out.push_back(trie_.step(place, query));
    }
}

void IndexKeys::add_email(const std::string& address, std::size_t at, std::vector<IndexKey>& out) const {
    const std::string domain = lower(address.substr(at));
    out.push_back(trie_.root(kEmail, address.substr(0, at) + domain));
    out.push_back(trie_.root(kEmailDomain, domain));
}

void IndexKeys::add_ip(const std::string& raw, const PrefixLengths& prefixes, std::vector<IndexKey>& out) const {
    const auto add = [&](const auto& lengths) {
        for (unsigned length = 0; length < lengths.size(); ++length) {
            if (!lengths.test(length)) continue;
            out.push_back(trie_.root(kNetwork, std::to_string(length) + "/" + masked(raw, length)));
        }
    };
    constexpr std::size_t kV4 = 4;
    if (raw.size() == kV4) {
        add(prefixes.v4);
    } else {
        add(prefixes.v6);
    }
}

void IndexKeys::add_attributes(char kind, const DistinguishedName& name, const KeyKinds& kinds,
                               std::vector<IndexKey>& out) const {
    const char der_kind = kind == kAttribute ? kAttributeDer : kIssuerAttributeDer;
    for (const NameAttribute& attribute : name.attributes) {
        if (kinds.has(kind)) out.push_back(trie_.root(kind, attribute.oid + "=" + compared_by_text(attribute)));
        if (kinds.has(der_kind)) out.push_back(trie_.root(der_kind, attribute.oid + "=" + attribute.der));
    }
}

std::vector<IndexKey> IndexKeys::of(const CertificateFacts& facts, const KeyKinds& kinds, const PrefixLengths& prefixes,
                                    const std::function<bool(IndexKey)>& is_step) const {
    std::vector<IndexKey> out;
    // `text`: of one element of `values`.
    const auto add_each = [&](Field field, const auto& values, auto text) {
        if (!kinds.has(kind_of(field))) return;
        for (const auto& value : values) out.push_back(trie_.root(kind_of(field), text(value)));
    };
    const auto itself = [](std::string_view value) { return value; };
    const auto add_all = [&](Field field, const auto& values) { add_each(field, values, itself); };
    const auto add = [&](Field field, std::string_view value) { add_all(field, std::array{value}); };
    add(Field::kSha256, facts.sha256);
    add(Field::kSpki, facts.spki_sha256);
    add_all(Field::kSpki, facts.other_spki_sha256);
    add(Field::kSerial, facts.serial);
    if (!facts.serial_octets.empty()) add(Field::kSerial, facts.serial_octets);
    const auto name_text = [](const DistinguishedName& name) { return name.by_text(); };
    add_each(Field::kSubject, std::span(&facts.subject, 1), name_text);
    add_each(Field::kIssuer, std::span(&facts.issuer, 1), name_text);
    add_each(Field::kDirName, facts.dir_name, name_text);
    add_attributes(kAttribute, facts.subject, kinds, out);
    add_attributes(kIssuerAttribute, facts.issuer, kinds, out);
    if (kinds.has(kDnsExact) || kinds.has(kDnsOneLabel) || kinds.has(kDnsAnyDepth)) {
        for (const std::string& name : facts.dns) {
            add_dns(name, kinds, out);
            if (const auto other = dns_reading(name)) add_dns(std::string(*other), kinds, out);
        }
    }
    if (kinds.has(kEmail) || kinds.has(kEmailDomain)) {
        for (const std::string& address : facts.email) {
            if (const auto at = domain_at(address)) add_email(address, *at, out);
            for (const std::string& other : email_readings(address)) add_email(other, other.rfind('@') + 1, out);
        }
    }
    if (kinds.has(kUriExact) || kinds.has(kUriPattern)) {
        for (const std::string& uri : facts.uri) {
            const std::string canonical = canonical_uri(uri);
            add_uri(canonical, is_step, out);
            for (const std::string& other : uri_readings(canonical).value_or(std::vector<std::string>())) {
                add_uri(other, is_step, out);
            }
        }
    }
    for (const std::string& raw : facts.ip) add_ip(raw, prefixes, out);
    for (const auto* names : {&facts.upn, &facts.odd_upn}) {
        add_each(Field::kUpn, *names, [](const std::string& upn) { return lower(upn); });
    }
    add_each(Field::kOtherName, facts.other_name, [](const OtherName& name) { return name.oid + "=" + name.value; });
    add_each(Field::kExtension, facts.extensions, [](const Extension& extension) { return extension.oid; });
    add_all(Field::kRid, facts.rid);
    add_all(Field::kQcRole, facts.qc_roles);
    add_all(Field::kQcType, facts.qc_types);
    add_all(Field::kEku, facts.eku);
    add_all(Field::kKey, families_of(facts.key.algorithm));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::array<IndexKey, 2> IndexKeys::of_ca(const std::string& sha256, const std::string& spki_sha256) const {
    return {trie_.root(kind_of(Field::kSha256), sha256), trie_.root(kind_of(Field::kSpki), spki_sha256)};
}

}  // namespace mtls
