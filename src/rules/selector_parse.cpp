
#include <algorithm>
#include <array>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/uri.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/rules/selector_types.hpp"

namespace mtls {

namespace {

struct NamedOid {
    std::string_view name;
    const char* oid;
};
constexpr std::array<NamedOid, 4> kQcRoles = {{{"PSP_AS", "0.4.0.19495.1.1"},
                                               {"PSP_PI", "0.4.0.19495.1.2"},
                                               {"PSP_AI", "0.4.0.19495.1.3"},
                                               {"PSP_IC", "0.4.0.19495.1.4"}}};
constexpr std::array<NamedOid, 3> kQcTypes = {
    {{"esign", "0.4.0.1862.1.6.1"}, {"eseal", "0.4.0.1862.1.6.2"}, {"web", "0.4.0.1862.1.6.3"}}};

const char* const kHexHint = ": expected hex, as `openssl x509 -serial` prints it";

// The OID arcs of purposes: PKIX, IPsec, Kerberos, Microsoft, Netscape.
bool is_purpose(const std::string& oid) {
    static constexpr std::string_view kArcs[] = {"1.3.6.1.5.5.7.3.", "2.5.29.37.0",      "1.3.6.1.5.5.8.2.",
                                                 "1.3.6.1.5.2.3.",   "1.3.6.1.4.1.311.", "2.16.840.1.113730.4."};
    return std::any_of(std::begin(kArcs), std::end(kArcs), [&](std::string_view arc) { return oid.starts_with(arc); });
}
bool is_policy(const std::string& oid) { return oid.starts_with("2.5.29.32."); }

// Why this is not a DNS name that a certificate can contain: A-labels of letters, digits, '-' and '_'.
std::optional<std::string> dns_fault(std::string_view name) {
    if (name.ends_with('.')) return "ends with a dot, as a DNS name in a certificate may not (RFC 5280); leave it out";
    for (std::size_t at = 0; at <= name.size();) {
        const std::string_view label = name.substr(at, name.find('.', at) - at);
        at += label.size() + 1;
        if (label.empty()) return "has an empty label";
        if (label.find('*') != std::string_view::npos) {
            return "has '*' inside: the wildcards are '*.' (one label) and '**.' (one or more), at the start only";
        }
        if (label.size() > 63) return "has a label of more than 63 characters";
        if (name.size() > kLongestDnsName) return "has more than 255 characters";
        const bool plain =
            std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
        if (!plain) return "holds a character that a DNS name cannot hold";
    }
    return std::nullopt;
}

// Second-level labels under which registries sell names to anyone, in two-letter top-level domains.
bool looks_like_public_suffix(std::string_view domain) {
    static constexpr std::string_view kRegistryLabels[] = {"co", "com", "org", "net", "ac", "gov", "edu", "ne", "or"};
    const auto labels = split(domain, '.');
    return labels.size() == 2 && labels[1].size() == 2 &&
           std::any_of(std::begin(kRegistryLabels), std::end(kRegistryLabels),
                       [&](std::string_view s) { return equal_nocase(s, labels[0]); });
}

}  // namespace

namespace {

// What is probably a slip of the pen in a value, and would make the selector fit no certificate; "" if there is none.
std::string find_slip(const ParsedSelector& parsed, std::string_view word) {
    const std::string_view value = word.substr(std::min(word.find(':') + 1, word.size()));
    if (value.find("${") != std::string_view::npos) {
        return "holds ${, as where httpd knows no such variable: it is compared as it stands";
    }
    const auto points = decode_utf8(value);
    if (points && !points->empty() && (is_deceptive(points->front()) || is_deceptive(points->back()))) {
        return "begins or ends with a character that cannot be seen, and is compared too: leave it out";
    }
    const Field field = parsed.selector().field();
    const bool is_text = field == Field::kSubjectAttribute || field == Field::kIssuerAttribute || field == Field::kUpn;
    if (!is_text || value.empty()) return {};
    const bool is_unpaired = std::count(value.begin(), value.end(), '"') % 2 == 1;
    const bool ends_oddly = value.back() == ',' || value.back() == ';' || (value.back() == '"' && is_unpaired);
    if (!ends_oddly) return {};
    return std::string("ends with '") + value.back() +
           "', which is compared too: leave it out (blanks alone stand between selectors)";
}

// Suggestions for common mistakes in TYPE:VALUE. `type`: the part of `selector` before its first colon.
std::string hint_about(std::string_view type, std::string_view selector, bool has_value) {
    if (type.starts_with('#')) return " (a comment has a line of its own)";
    if (!has_value && (equal_nocase(type, "or") || equal_nocase(type, "and")))
        return " (a certificate has to fit all selectors of a line; another line is another way in)";
    for (const std::string_view quote : {"\u201c", "\u201d", "\u201e", "\u2018", "\u2019", "\u00ab"}) {
        if (type.starts_with(quote)) return " (that is a typographic quote: write \" or ')";
    }
    const std::size_t equals = type.find('=');
    if (equals != std::string_view::npos) {
        const std::string_view name = type.substr(0, equals), value = selector.substr(equals + 1);
        const bool is_type = std::any_of(kSelectorTypes.begin(), kSelectorTypes.end(),
                                         [name](const SelectorType& t) { return equal_nocase(t.name, name); });
        const bool is_name = !is_type && value.find('=') != std::string_view::npos;
        const std::string meant =
            is_name ? "subject:" + std::string(selector) : std::string(name) + ":" + std::string(value);
        if (is_type || attribute_oid(name)) return " (did you mean " + in_quotes(meant) + "?)";
    }
    const std::string meant = did_you_mean(type, kSelectorWords);
    return !meant.empty() || has_value ? meant : " (a selector with blanks is quoted as a whole)";
}

}  // namespace

// Parses one word into the record of a Selector.
class SelectorParser {
public:
    bool knows_type(std::string_view type) { return !read_type(type); }

    Result<ParsedSelector> parse(std::string_view word) {
        std::string_view rest = word;
        if (rest.starts_with('!')) {
            selector_.negated_ = true;
            rest.remove_prefix(1);
        }
        if (rest.empty()) return Error{in_quotes(word) + " is empty: expected TYPE:VALUE, like DNS:api.acme.example"};
        const std::size_t colon = rest.find(':');
        const std::string_view type = rest.substr(0, colon);
        const bool has_value = colon != std::string_view::npos;
        const std::string_view value = has_value ? rest.substr(colon + 1) : std::string_view();

        has_value_ = has_value;
        whole_ = rest;
        if (auto fault = read_type(type)) return Error{std::move(*fault)};
        const bool presence = selector_.field_ == Field::kExtension && !has_value;
        if (!has_value && !presence) {
            return Error{in_quotes(word) + " has no value: expected " + std::string(type) + ":VALUE"};
        }
        if (has_value && value.empty()) {
            return Error{in_quotes(word) + " has an empty value: expected " + std::string(type) +
                         ":VALUE, without a blank behind the colon"};
        }
        set_text(has_value, value);
        if (presence) {
            selector_.form_ = Selector::Form::kPresence;
        } else if (auto fault = read_value(value)) {
            return Error{in_quotes(word) + ": " + std::move(*fault)};
        }
        selector_.text_ = text_;
        selector_.oid_ = oid_;
        selector_.operand_ = operand_;
        selector_.exact_ = exact_;
        return ParsedSelector{selector_.record(), std::move(warnings_)};
    }

private:
    using Fault = std::optional<std::string>;  // the error and the expected form

    void set_text(bool has_value, std::string_view value) {
        if (selector_.negated_) text_ += '!';
        text_ += type_;
        if (has_value) text_ += ':';
        text_ += value;
    }

    Fault read_type(std::string_view type) {
        for (const SelectorType& listed : kSelectorTypes) {
            if (!equal_nocase(type, listed.name)) continue;
            type_ = listed.name;
            selector_.field_ = listed.field;
            const bool needs_oid = listed.field == Field::kOtherName || listed.field == Field::kExtension;
            if (needs_oid) return in_quotes(type) + " needs an OID: expected " + type_ + ".1.2.3";
            return std::nullopt;
        }
        for (const auto& [prefix, field] :
             {SelectorType{"issuer.", Field::kIssuerAttribute}, SelectorType{"otherName.", Field::kOtherName},
              SelectorType{"extension.", Field::kExtension}}) {
            if (type.size() > prefix.size() && starts_nocase(type, prefix)) {
                return read_oid_type(type, prefix, field);
            }
        }
        return read_oid_type(type, "", Field::kSubjectAttribute);
    }

    Fault read_oid_type(std::string_view type, std::string_view prefix, Field field) {
        const std::string_view name = type.substr(prefix.size());
        const bool attribute = field == Field::kSubjectAttribute || field == Field::kIssuerAttribute;
        auto oid = attribute ? attribute_oid(name) : oid_from_text(name);
        const std::string instead = oid ? "" : what_to_use_instead_of(name);
        if (!instead.empty()) return in_quotes(type) + " is no selector type: " + instead;
        if (!oid) {
            return "unknown selector type " + in_quotes(type) +
                   hint_about(name, whole_.substr(prefix.size()), has_value_) +
                   ": expected one of subject, CN, O, OU, DNS, email, URI, IP, sha256, ... or a dotted OID";
        }
        selector_.field_ = field;
        oid_ = std::move(*oid);
        type_ = std::string(prefix) + (attribute ? attribute_name(oid_) : oid_);
        return std::nullopt;
    }

    Fault read_value(std::string_view value) {
        switch (selector_.field_) {
            case Field::kSubject:
            case Field::kIssuer:
            case Field::kDirName:
                return read_name_value(value);
            case Field::kSubjectAttribute:
            case Field::kIssuerAttribute:
                return read_attribute(value);
            case Field::kDns:
                return read_dns(value);
            case Field::kEmail:
                return read_email(value);
            case Field::kUri:
                return read_uri(value);
            case Field::kIp:
                return read_ip(value);
            case Field::kUpn:
                return read_upn(value);
            case Field::kExtension:
                return read_extension(value);
            case Field::kOtherName:
                return read_text(value, nullptr);
            case Field::kSerial:
                return read_serial(value);
            case Field::kSha256:
                return read_digest(value, false);
            case Field::kSpki:
            case Field::kIssuerSpki:
                return read_digest(value, true);
            case Field::kEku:
                return read_named_oid(value, is_purpose, "names no purpose: expected clientAuth, serverAuth, ...");
            case Field::kPolicy:
                return read_named_oid(value, is_policy, "names no certificate policy: expected anyPolicy");
            case Field::kKey:
                return read_key(value);
            case Field::kRid:
                return read_oid(value, {});
            case Field::kQcRole:
                return read_oid(value, kQcRoles);
            case Field::kQcType:
                return read_oid(value, kQcTypes);
        }
        return "cannot be read";
    }

    Fault read_name_value(std::string_view value) {
        auto pattern = NamePattern::parse(value);
        if (!pattern) return pattern.error();
        if (const auto turned = pattern.value().reversed_suggestion()) {
            warnings_.push_back(
                "the name in " + in_quotes(text_) +
                " reads as if it was in reverse; in RFC 4514 text the most specific part comes first: \"" + type_ +
                ":" + *turned + "\" (where a certificate has it in that order indeed, write it as /CN=.../C=...)");
        }
        operand_ = std::move(pattern.value().name.canonical);
        exact_ = std::move(pattern.value().exact);
        return std::nullopt;
    }

    void warn_of_star() {
        if (text_.find('*') == std::string::npos) return;
        warnings_.push_back("the '*' in " + in_quotes(text_) + " is compared as a character: " + type_ +
                            ": has no wildcards");
    }

    Fault read_attribute(std::string_view value) {
        warn_of_star();
        if (const auto text = without_escapes(value)) {
            return "holds escapes as in a whole name; a value by itself stands as it is: " + type_ + ":" +
                   escape_hidden(*text);
        }
        auto pattern = AttributePattern::parse(value);
        if (!pattern) return pattern.error();
        const bool is_der = !pattern.value().der.empty();
        if (is_der) selector_.form_ = Selector::Form::kDer;
        operand_ = std::move(is_der ? pattern.value().der : pattern.value().folded);
        return std::nullopt;
    }

    Fault read_text(std::string_view value, const char* fault) {
        if (fault != nullptr) return std::string(fault);
        const auto points = decode_utf8(value);
        if (!points) return "is not valid UTF-8";
        operand_ = std::string(value);
        return std::nullopt;
    }

    Fault read_upn(std::string_view value) {
        if (value.find('@') == std::string_view::npos) {
            return "a UPN is user@domain; where that field holds another text: otherName.1.3.6.1.4.1.311.20.2.3:" +
                   escape_for_reader(value, 200);
        }
        warn_of_star();
        return read_text(value, nullptr);
    }

    // The extensions of X.509 and PKIX are structures: a text never equals one.
    Fault read_extension(std::string_view value) {
        const std::string& oid = oid_;
        if (oid.starts_with("2.5.29.") || oid.starts_with("1.3.6.1.5.5.7.1.")) {
            return "this extension holds no text: extension." + oid +
                   " without a value asks whether it is there, EKU:, cert-policy:, DNS: and the like what it says";
        }
        return read_text(value, nullptr);
    }

    Fault ascii_only(std::string_view value) {
        const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7f; });
        return ascii ? Fault() : "holds blanks, control or non-ASCII characters, which this field cannot hold";
    }

    // Checks a domain without its wildcard prefix: valid labels, and narrow enough for the wildcard.
    Fault read_domain(std::string_view domain) {
        const bool ascii =
            std::all_of(domain.begin(), domain.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
        if (!ascii) {
            return "certificates hold internationalised names as A-labels: write it as its DNS record is (xn--...)";
        }
        if (auto fault = dns_fault(domain)) return in_quotes(domain) + " " + *fault;
        if (selector_.form_ == Selector::Form::kExact) return std::nullopt;
        if (split(domain, '.').size() < 2) {
            return "the wildcard is too wide: keep at least two literal labels, like *.acme.example";
        }
        if (looks_like_public_suffix(domain)) {
            warnings_.push_back(in_quotes(text_) + " covers a public suffix: anybody can register a name there");
        }
        return std::nullopt;
    }

    Fault read_dns(std::string_view value) {
        std::string_view domain = value;
        if (value.starts_with("**.")) {
            selector_.form_ = Selector::Form::kAnyDepth;
            domain.remove_prefix(3);
        } else if (value.starts_with("*.")) {
            selector_.form_ = Selector::Form::kOneLabel;
            domain.remove_prefix(2);
        } else if (value == "*" || value == "**") {
            return "the wildcard is too wide: keep at least two literal labels, like *.acme.example";
        }
        operand_ = lower(domain);
        return read_domain(domain);
    }

    Fault read_email(std::string_view value) {
        const std::size_t at = value.rfind('@');
        if (at == std::string_view::npos || at == 0 || at + 1 == value.size()) {
            return "expected local@domain, or *@domain for everybody there";
        }
        if (value.substr(0, at) == "*") {
            selector_.form_ = Selector::Form::kOneLabel;
        } else if (!domain_at(value)) {
            return "two '@' or a '\\' outside of quotes, and quotes that do not enclose the local part, never match: "
                   "expected local@domain";
        }
        if (auto fault = read_domain(value.substr(at + 1))) return fault;
        const bool wildcard = selector_.form_ != Selector::Form::kExact;
        operand_ = wildcard ? lower(value.substr(at + 1)) : std::string(value);
        return ascii_only(value);
    }

    Fault read_uri(std::string_view value) {
        if (auto fault = ascii_only(value)) return fault;
        const std::size_t colon = value.find(':');
        const std::string_view scheme = value.substr(0, colon);
        const bool valid_scheme = colon != std::string_view::npos && !scheme.empty() && is_alpha(scheme.front()) &&
                                  std::all_of(scheme.begin(), scheme.end(),
                                              [](char c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; });
        if (!valid_scheme) return "expected an absolute URI like spiffe://acme.example/orders";
        operand_ = canonical_uri(value);
        const UriParts parts = split_uri(operand_);
        if (parts.scheme_and_authority.find('*') != std::string_view::npos) {
            return "a '*' in scheme or authority: wildcards stand for whole segments of the path only";
        }
        if (operand_.starts_with("spiffe://")) {
            if (auto fault = spiffe_fault(parts)) return fault;
        }
        if (parts.path.find('*') == std::string_view::npos) return std::nullopt;
        return read_uri_wildcard(parts);
    }

    static Fault spiffe_fault(const UriParts& parts) {
        const std::string_view domain = parts.scheme_and_authority.substr(std::string_view("spiffe://").size());
        const bool plain = !domain.empty() && std::all_of(domain.begin(), domain.end(), [](char c) {
            return is_alnum(c) || c == '.' || c == '-' || c == '_';
        });
        if (!plain || parts.has_fragment || !parts.query.empty()) {
            return "a SPIFFE ID is spiffe://trust-domain/path, without user, port, query or fragment";
        }
        return std::nullopt;
    }

    Fault read_uri_wildcard(const UriParts& parts) {
        if (!parts.has_authority || parts.has_fragment || parts.has_userinfo) {
            return "a wildcard needs scheme://host/path without user or fragment";
        }
        const auto segments = split(parts.path.substr(1), '/');
        constexpr std::size_t kDeepest = 60;
        if (segments.size() > kDeepest) return "has more than 60 segments";
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const bool wildcard = segments[i] == "*" || (segments[i] == "**" && i + 1 == segments.size());
            if (!wildcard && segments[i].find('*') != std::string_view::npos) {
                return "'" + std::string(segments[i]) + "': '*' stands for one whole segment, '/**' only at the end";
            }
        }
        selector_.form_ = Selector::Form::kPath;
        return std::nullopt;
    }

    Fault read_ip(std::string_view value) {
        const auto network = Network::parse(value);
        if (!network) return network.error();
        operand_ = network.value().base();
        selector_.number_ = network.value().prefix();
        return std::nullopt;
    }

    Fault read_serial(std::string_view value) {
        std::string digits;
        std::string_view rest = value;
        const bool negative = rest.starts_with('-');
        if (negative) rest.remove_prefix(1);
        if (rest.starts_with("0x") || rest.starts_with("0X")) rest.remove_prefix(2);
        for (const char c : rest) {
            if (c == ':') continue;
            if (hex_digit(c) < 0) {
                return "'" + std::string(1, c) +
                       "' is no hexadecimal digit: expected the serial number in hex, "
                       "like 0A:3F or 0a3f, as `openssl x509 -serial` prints it";
            }
            digits += to_lower(c);
        }
        if (digits.empty()) return "expected the serial number in hex";
        const std::size_t first = digits.find_first_not_of('0');
        operand_ = first == std::string::npos ? "0" : digits.substr(first);
        const bool says_hex =
            rest.size() < value.size() - (negative ? 1 : 0) || rest.find(':') != std::string_view::npos;
        if (operand_.size() > kMostSerialDigits)
            return "has more than 40 hex digits, which no serial number has" + std::string(kHexHint);
        if (!says_hex && reads_as_decimal(operand_)) {
            return "reads like a decimal number" + std::string(kHexHint) +
                   "; where it is hex indeed, write 0x before it";
        }
        if (negative && operand_ != "0") operand_.insert(0, "-");
        return std::nullopt;
    }

    Fault read_key(std::string_view value) {
        auto pattern = WrittenKeyPattern::parse(value);
        if (!pattern) return pattern.error();
        oid_ = std::move(pattern.value().algorithm);
        operand_ = std::move(pattern.value().curve);
        selector_.number_ = static_cast<unsigned>(pattern.value().least_bits);
        return std::nullopt;
    }

    Fault read_digest(std::string_view value, bool base64) {
        constexpr std::size_t kSha256Bytes = 32;
        if (value.starts_with(':')) return "has a colon too many: expected " + type_ + ":VALUE";
        auto raw = from_hex(value, true);
        if ((!raw || raw->size() != kSha256Bytes) && base64) raw = from_base64(value);
        if (!raw || raw->size() != kSha256Bytes) {
            return std::string("expected a SHA-256: 64 hex digits, with or without colons") +
                   (base64 ? ", or 44 characters of base64" : "");
        }
        operand_ = std::move(*raw);
        return std::nullopt;
    }

    Fault read_oid(std::string_view value, std::span<const NamedOid> names) {
        std::vector<std::string_view> texts;
        for (const NamedOid& named : names) {
            if (equal_nocase(value, named.name)) {
                oid_ = named.oid;
                return std::nullopt;
            }
            texts.push_back(named.name);
        }
        const bool dotted = !value.empty() && is_digit(value.front());
        auto oid = names.empty() || dotted ? oid_from_text(value) : std::nullopt;
        if (!oid) {
            std::string expected;
            for (const std::string_view name : texts) expected += std::string(name) + ", ";
            return in_quotes(value) + " is unknown" + did_you_mean(value, texts) + ": expected " + expected +
                   "a dotted OID" + (names.empty() ? " or a name that OpenSSL knows, like clientAuth" : "");
        }
        oid_ = std::move(*oid);
        return std::nullopt;
    }

    // A dotted OID, or OpenSSL's name of an OID that `is_right` accepts.
    Fault read_named_oid(std::string_view value, bool (*is_right)(const std::string&), const char* fault) {
        if (auto unknown = read_oid(value, {})) return unknown;
        const bool dotted = is_digit(value.front());
        return dotted || is_right(oid_) ? Fault() : std::string(fault) + ", or a dotted OID";
    }

    Selector selector_;  // its texts are assigned at the end, from the strings below
    std::string text_;
    std::string oid_;
    std::string operand_;
    std::string exact_;
    std::string type_;
    std::string_view whole_;  // without '!'
    bool has_value_ = false;
    std::vector<std::string> warnings_;
};

bool reads_as_decimal(std::string_view digits) {
    constexpr std::size_t kHardlyByChance = 20;  // only one hex serial in 12,000 has 20 digits without a letter
    return digits.size() >= kHardlyByChance && std::all_of(digits.begin(), digits.end(), is_digit);
}

bool is_selector_type(std::string_view type) { return SelectorParser().knows_type(type); }

Result<ParsedSelector> Selector::parse(std::string_view word) {
    auto parsed = SelectorParser().parse(word);
    // httpd takes quotes away at the beginning of a word only.
    const auto meant = without_value_quotes(word);
    const std::string slip = parsed && !meant ? find_slip(parsed.value(), word) : "";
    if (!slip.empty()) parsed.value().warnings.push_back(in_quotes(word) + " " + slip);
    if (!meant) return parsed;
    const std::string hint = "; quotes go around the whole word: " + config_quote(*meant);
    if (!parsed) return Error{parsed.error() + hint};
    parsed.value().warnings.push_back("the quotes in " + in_quotes(word) + " are compared too" + hint);
    return parsed;
}

}  // namespace mtls
