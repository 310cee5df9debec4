#include "mtls_authz/certificate/distinguished_name.hpp"

#include <algorithm>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/record.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/certificate/der.hpp"

namespace mtls {

namespace {

// Length-prefixed, so that two different lists never have the same encoding.
void append_field(std::string& out, std::string_view field) {
    out += std::to_string(field.size());
    out += ':';
    out += field;
}

// The first byte of the canonical form of a text.
constexpr std::string_view kTextMark = "s";

// The string types that X509_NAME_cmp() folds; it compares other types including their tag.
bool is_folded_type(int tag) {
    switch (tag) {
        case V_ASN1_UTF8STRING:
        case V_ASN1_BMPSTRING:
        case V_ASN1_UNIVERSALSTRING:
        case V_ASN1_PRINTABLESTRING:
        case V_ASN1_T61STRING:
        case V_ASN1_IA5STRING:
        case V_ASN1_VISIBLESTRING:
            return true;
        default:
            return false;
    }
}

std::string fold(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : trim(text)) {
        if (!is_blank(c)) {
            out += to_lower(c);
        } else if (out.back() != ' ') {
            out += ' ';
        }
    }
    return out;
}

bool is_numeric(const NameAttribute& attribute) {
    return !attribute.der.empty() && attribute.der.front() == V_ASN1_NUMERICSTRING;
}

// RFC 5280 7.1: the RDNs in order, the attributes of one RDN as a set. `value` returns the compared form of an
// attribute.
template <class Value>
std::string canonical_name(const std::vector<NameAttribute>& attributes, Value value) {
    std::string out;
    for (std::size_t i = 0; i < attributes.size();) {
        std::vector<std::string> set;
        const int rdn = attributes[i].rdn;
        for (; i < attributes.size() && attributes[i].rdn == rdn; ++i) {
            std::string entry;
            append_field(entry, attributes[i].oid);
            append_field(entry, value(attributes[i]));
            set.push_back(std::move(entry));
        }
        std::sort(set.begin(), set.end());
        out += '(';
        for (const std::string& entry : set) append_field(out, entry);
        out += ')';
    }
    return out;
}

std::string escape_rfc4514(std::string_view value) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        const bool at_edge = i == 0 || i + 1 == value.size();
        const bool special = std::string_view("\"+,;<>\\").find(c) != std::string_view::npos;
        if (special || (c == '#' && i == 0) || (c == ' ' && at_edge)) out += '\\';
        out += c;
    }
    return out;
}

std::string der_of(const ASN1_STRING& value) {
    constexpr int kShort = 0x80;  // X.690 8.1.3: the length takes one byte
    const int length = ASN1_STRING_length(&value), tag = ASN1_STRING_type(&value);
    if (is_folded_type(tag) && length < kShort) {
        std::string out = {static_cast<char>(tag), static_cast<char>(length)};
        return out.append(octets_of(value));
    }
    // Through ASN1_TYPE, because an attribute value may have any type.
    ASN1_TYPE type{};
    type.type = tag == V_ASN1_NEG_INTEGER ? V_ASN1_INTEGER : tag;
    type.value.asn1_string = const_cast<ASN1_STRING*>(&value);
    return encode(i2d_ASN1_TYPE, type);
}

// The text of a value: decoded if it is a valid string, the raw bytes if it is an invalid one (only ever shown
// escaped), #hex if it is not a string.
std::string text_of(int tag, std::string_view bytes, const std::string& der) {
    if (auto text = asn1_text(tag, bytes)) return *text;
    if (is_folded_type(tag) || tag == V_ASN1_NUMERICSTRING) return std::string(bytes);
    return "#" + hex(bytes_of(der));
}

}  // namespace

namespace {

// The UTF-8 form that X509_NAME_cmp() compares (ASN1_STRING_to_UTF8()); nothing if the conversion fails.
std::optional<std::string> utf8_by_openssl(int tag, std::string_view bytes) {
    const bool is_wide = tag == V_ASN1_BMPSTRING || tag == V_ASN1_UNIVERSALSTRING;
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (!is_wide && std::all_of(bytes.begin(), bytes.end(), is_ascii)) return std::string(bytes);
    const ErrorQueueGuard errors;
    const Asn1StringPtr value(ASN1_STRING_type_new(tag));
    if (!value || ASN1_STRING_set(value.get(), bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw std::bad_alloc();
    }
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, value.get());
    if (size < 0) return std::nullopt;
    std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return out;
}

// Whether a value is valid for its type. X509_NAME_cmp() compares invalid values too.
bool is_valid(int tag, std::string_view bytes) {
    const bool is_text = is_folded_type(tag) || tag == V_ASN1_NUMERICSTRING;
    return !is_text || asn1_text(tag, bytes).has_value();
}

}  // namespace

std::optional<std::string> canonical_value(int tag, std::string_view bytes, std::string_view der) {
    if (!is_folded_type(tag)) return "t" + std::string(der);
    const auto text = utf8_by_openssl(tag, bytes);
    return text ? std::optional(canonical_of_text(fold(*text))) : std::nullopt;
}

std::string compared_by_text(const NameAttribute& attribute) {
    return is_numeric(attribute) ? canonical_of_text(fold(attribute.text)) : attribute.canonical;
}

DistinguishedName read_name(const X509_NAME& name) {
    DistinguishedName out;
    const int count = X509_NAME_entry_count(&name);
    out.attributes.reserve(static_cast<std::size_t>(std::max(count, 0)));
    for (int i = 0; i < count; ++i) {
        const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(&name, i);
        const ASN1_STRING* const value = X509_NAME_ENTRY_get_data(entry);
        const std::string_view bytes = octets_of(*value);
        const int tag = ASN1_STRING_type(value);
        NameAttribute attribute;
        attribute.oid = oid_dotted(*X509_NAME_ENTRY_get_object(entry));
        attribute.rdn = X509_NAME_ENTRY_set(entry);
        attribute.der = der_of(*value);
        attribute.text = text_of(tag, bytes, attribute.der);
        // OpenSSL itself never decodes a name with such a value.
        attribute.canonical = canonical_value(tag, bytes, attribute.der).value_or("x" + attribute.der);
        if (out.malformed.empty() && !is_valid(tag, bytes)) {
            out.malformed = oid_name(attribute.oid) + " holds NUL, control or invalid bytes";
        }
        out.attributes.push_back(std::move(attribute));
    }
    out.canonical =
        canonical_name(out.attributes, [](const NameAttribute& a) { return std::string_view(a.canonical); });
    if (std::any_of(out.attributes.begin(), out.attributes.end(), is_numeric)) {
        out.other_by_text = canonical_name(out.attributes, compared_by_text);
    }
    return out;
}

std::string DistinguishedName::text() const {
    std::string out;
    for (std::size_t i = attributes.size(); i-- > 0;) {
        const NameAttribute& attribute = attributes[i];
        const bool first = i + 1 == attributes.size();
        if (!first) out += attributes[i + 1].rdn == attribute.rdn ? '+' : ',';
        const bool is_hex = attribute.text.starts_with("#") && attribute.canonical.starts_with("t");
        out += attribute_name(attribute.oid) + "=";
        out += is_hex ? attribute.text : escape_rfc4514(attribute.text);
    }
    return out;
}

namespace {

struct WrittenAttribute {
    std::string type;
    std::string value;
    bool is_hex = false;
    bool joined = false;  // by '+' to the attribute before it
};

constexpr std::string_view kDnHint =
    "expected RFC 4514 text like CN=api,O=Acme Corp,C=US (most specific first) or /C=US/O=Acme Corp/CN=api";

Error dn_error(const std::string& what) { return {what + "; " + std::string(kDnHint)}; }

// Reads what a backslash at `i` escapes: a special character, or a byte as two hex digits (RFC 4514 3, RFC 2253 3).
std::optional<Error> read_escape(std::string_view text, std::size_t& i, std::string& value) {
    if (i + 1 == text.size()) return dn_error("a backslash at the end");
    if (const auto byte = i + 2 < text.size() ? from_hex(text.substr(i + 1, 2), false) : std::nullopt) {
        value += *byte;
        i += 2;
    } else if (std::string_view(" \"#+,;<=>\\").find(text[i + 1]) != std::string_view::npos) {
        value += text[++i];
    } else {
        return dn_error("a backslash before '" + std::string(1, text[i + 1]) + "'");
    }
    return std::nullopt;
}

// Reads one RFC 4514 attribute value up to an unescaped ',' or '+', and resolves escapes.
Result<std::string> read_value(std::string_view text, std::size_t& i) {
    std::string value;
    std::size_t keep = 0;  // trailing blanks before this offset were escaped and are kept
    while (i < text.size() && text[i] == ' ') ++i;
    for (; i < text.size() && text[i] != ',' && text[i] != '+'; ++i) {
        const char c = text[i];
        if (c == '"' || c == ';' || c == '<' || c == '>') {
            return dn_error(std::string("unescaped '") + c + "' (write \\" + c + ")");
        }
        if (c != '\\') {
            value += c;
            if (c != ' ') keep = value.size();
            continue;
        }
        if (const auto fault = read_escape(text, i, value)) return *fault;
        keep = value.size();
    }
    value.resize(keep);
    return value;
}

// Reads a value in quotes (RFC 2253 section 4; LDAPv2, OpenSSL and Java print it), up to the separator after the
// closing quote.
Result<std::string> read_quoted_value(std::string_view text, std::size_t& i) {
    std::string value;
    for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] != '\\') {
            value += text[i];
        } else if (const auto fault = read_escape(text, i, value)) {
            return *fault;
        }
    }
    if (i == text.size()) return dn_error("a quote that is not closed");
    ++i;
    while (i < text.size() && text[i] == ' ') ++i;
    if (i < text.size() && text[i] != ',' && text[i] != '+') return dn_error("text behind a closing quote");
    return value;
}

Result<std::vector<WrittenAttribute>> read_rfc4514(std::string_view text) {
    std::vector<WrittenAttribute> out;
    bool joined = false;
    for (std::size_t i = 0;;) {
        const std::size_t equals = text.find('=', i);
        if (equals == std::string_view::npos) return dn_error("'" + std::string(text.substr(i)) + "' has no '='");
        WrittenAttribute attribute;
        attribute.type = std::string(trim(text.substr(i, equals - i)));
        attribute.joined = joined;
        i = equals + 1;
        while (i < text.size() && text[i] == ' ') ++i;
        attribute.is_hex = i < text.size() && text[i] == '#';
        const bool is_quoted = i < text.size() && text[i] == '"';
        auto value = is_quoted ? read_quoted_value(text, i) : read_value(text, i);
        if (!value) return Error{value.error()};
        attribute.value = std::move(value.value());
        out.push_back(std::move(attribute));
        if (i == text.size()) return out;
        joined = text[i] == '+';
        ++i;
    }
}

// Whether the text starts with "TYPE=": only there, '/' and '+' separate attributes in OpenSSL's one-line form.
bool starts_attribute(std::string_view text) {
    std::size_t n = 0;
    while (n < text.size() && (is_alnum(text[n]) || text[n] == '.' || text[n] == '-')) ++n;
    return n > 0 && n < text.size() && text[n] == '=';
}

Result<std::vector<WrittenAttribute>> read_slash_form(std::string_view text) {
    std::vector<WrittenAttribute> out;
    bool joined = false;
    for (std::size_t i = 1;;) {
        const std::size_t equals = text.find('=', i);
        if (equals == std::string_view::npos || !starts_attribute(text.substr(i))) {
            return dn_error("'" + std::string(text.substr(i)) + "' is no TYPE=value");
        }
        WrittenAttribute attribute;
        attribute.type = std::string(text.substr(i, equals - i));
        attribute.joined = joined;
        for (i = equals + 1; i < text.size(); ++i) {
            const bool separator = (text[i] == '/' || text[i] == '+') && starts_attribute(text.substr(i + 1));
            if (separator) break;
            // X509_NAME_oneline() prints \xHH for each byte that is not printable ASCII.
            const bool is_byte = text.substr(i).starts_with("\\x") && i + 3 < text.size();
            if (const auto byte = is_byte ? from_hex(text.substr(i + 2, 2), false) : std::nullopt) {
                attribute.value += *byte;
                i += 3;
                continue;
            }
            if (text[i] == '\\' && i + 1 < text.size()) ++i;
            attribute.value += text[i];
        }
        attribute.is_hex = attribute.value.starts_with('#');
        out.push_back(std::move(attribute));
        if (i == text.size()) return out;
        joined = text[i] == '+';
        ++i;
    }
}

}  // namespace

Result<AttributePattern> AttributePattern::parse(std::string_view text) {
    if (!text.starts_with('#')) return from_text(text);
    auto der = from_hex(text.substr(1), false);
    if (!der) return Error{"'" + std::string(text) + "' is not # and the hex of a full DER value"};
    DerReader reader(*der);
    if (!reader.next() || !reader.at_end()) {
        return Error{"'" + std::string(text) + "' is not one whole DER value after the #"};
    }
    return AttributePattern{{}, std::move(*der)};
}

Result<AttributePattern> AttributePattern::from_text(std::string_view text) {
    auto canonical = canonical_value(V_ASN1_UTF8STRING, text, {});
    if (!canonical || !is_valid(V_ASN1_UTF8STRING, text))
        return Error{in_quotes(text, 120) + " holds control characters or is not UTF-8"};
    return AttributePattern{canonical->substr(kTextMark.size()), {}};
}

std::optional<std::string> without_escapes(std::string_view text) {
    std::string out;
    bool is_sure = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t at = i;
        if (text[i] != '\\') {
            out += text[i];
        } else if (read_escape(text, i, out)) {
            return std::nullopt;
        }
        // DOMAIN\41: a byte that is ASCII would not be escaped.
        is_sure =
            is_sure || (i == at + 1 && text[i] != '\\') || (i > at && static_cast<unsigned char>(out.back()) >= 0x80);
    }
    return is_sure && decode_utf8(out) ? std::optional(std::move(out)) : std::nullopt;
}

std::string canonical_of_text(std::string_view folded) { return std::string(kTextMark) + std::string(folded); }

bool attribute_fits(const NameAttribute& attribute, std::string_view folded) {
    const auto is = [folded](std::string_view canonical) {
        return canonical.starts_with(kTextMark) && canonical.substr(kTextMark.size()) == folded;
    };
    return is(attribute.canonical) || (is_numeric(attribute) && is(compared_by_text(attribute)));
}

namespace {

// The bytes of one attribute for exact comparison.
std::string exactly(const NameAttribute& attribute) {
    return std::to_string(attribute.rdn) + "," + attribute.oid + "=" + attribute.der;
}

}  // namespace

Result<NamePattern> NamePattern::parse(std::string_view text) {
    NamePattern out;
    out.slash_form = text.starts_with('/');
    auto written = out.slash_form ? read_slash_form(text) : read_rfc4514(text);
    if (!written) return Error{written.error()};
    std::vector<NameAttribute> attributes;
    int rdn = -1;
    for (const WrittenAttribute& attribute : written.value()) {
        const auto oid = attribute_oid(attribute.type);
        const std::string instead = oid ? "" : what_to_use_instead_of(attribute.type);
        if (!instead.empty()) return dn_error(in_quotes(attribute.type, 60) + " is no attribute type: " + instead);
        if (!oid) {
            static constexpr std::string_view kTypes[] = {"CN",  "O",  "OU",           "C",           "ST", "L", "DC",
                                                          "UID", "SN", "serialNumber", "emailAddress"};
            return dn_error("unknown attribute type " + in_quotes(attribute.type, 60) +
                            did_you_mean(attribute.type, kTypes));
        }
        auto value =
            attribute.is_hex ? AttributePattern::parse(attribute.value) : AttributePattern::from_text(attribute.value);
        if (!value) return Error{value.error()};
        NameAttribute parsed;
        parsed.oid = *oid;
        parsed.rdn = attribute.joined ? rdn : ++rdn;
        parsed.text = attribute.value;
        parsed.der = value.value().der;
        parsed.canonical = canonical_of_text(value.value().folded);
        if (!parsed.der.empty()) {
            DerReader reader(parsed.der);
            const auto element = reader.next();
            auto canonical = canonical_value(element->tag & 0x1f, element->content, parsed.der);
            if (!canonical || !is_valid(element->tag & 0x1f, element->content))
                return dn_error("'" + attribute.value + "' is not valid for its type");
            parsed.canonical = std::move(*canonical);
            if (is_numeric(parsed)) parsed.text = std::string(element->content);
        }
        attributes.push_back(std::move(parsed));
    }
    if (!out.slash_form) {
        // RFC 4514 2.1: the text starts with the last RDN of the sequence.
        for (NameAttribute& attribute : attributes) attribute.rdn = rdn - attribute.rdn;
        std::stable_sort(attributes.begin(), attributes.end(),
                         [](const NameAttribute& a, const NameAttribute& b) { return a.rdn < b.rdn; });
    }
    for (const NameAttribute& attribute : attributes) {
        if (!attribute.der.empty()) append_sized(out.exact, exactly(attribute));
    }
    out.name.attributes = std::move(attributes);
    out.name.canonical = canonical_name(out.name.attributes, compared_by_text);
    return out;
}

bool name_fits(const DistinguishedName& name, std::string_view canonical, std::string_view exact) {
    if (name.by_text() != canonical) return false;
    for (RecordReader wanted(exact); !wanted.rest().empty();) {
        const std::string_view one = wanted.sized();
        const bool has_it = std::any_of(name.attributes.begin(), name.attributes.end(),
                                        [one](const NameAttribute& attribute) { return exactly(attribute) == one; });
        if (!has_it) return false;
    }
    return true;
}

std::optional<std::string> NamePattern::reversed_suggestion() const {
    if (slash_form || name.attributes.size() < 2) return std::nullopt;
    // The encoded order goes from the country to the common name; RFC 4514 text has the reverse order. Other attributes
    // may be anywhere.
    const auto rank = [](const NameAttribute& a) {
        constexpr std::string_view kFromBroad[][3] = {
            {"C", "DC"}, {"ST", "L"}, {"O"}, {"OU"}, {"CN", "UID", "emailAddress"}};
        const std::string type = attribute_name(a.oid);
        for (int i = 0; i < static_cast<int>(std::size(kFromBroad)); ++i) {
            const auto& types = kFromBroad[i];
            if (std::find(std::begin(types), std::end(types), type) != std::end(types)) return i;
        }
        return -1;
    };
    std::vector<int> ranks;
    for (const NameAttribute& a : name.attributes) {
        if (rank(a) >= 0) ranks.push_back(rank(a));
    }
    if (ranks.empty() || ranks.front() <= ranks.back()) return std::nullopt;
    DistinguishedName turned = name;
    const int last = turned.attributes.back().rdn;
    for (NameAttribute& attribute : turned.attributes) attribute.rdn = last - attribute.rdn;
    std::reverse(turned.attributes.begin(), turned.attributes.end());
    return turned.text();
}

}  // namespace mtls
