// Distinguished names (RFC 5280 4.1.2.4 and 7.1), typed: a list of attributes, never a flattened string.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

struct NameAttribute {
    std::string oid;        // dotted
    int rdn = 0;            // index of the RelativeDistinguishedName that holds it, in encoded order
    std::string text;       // UTF-8; "#hex" of the DER where the value is no string
    std::string canonical;  // the value as compared: see canonical_value()
    std::string der;        // the value's full DER encoding
};

struct DistinguishedName {
    std::vector<NameAttribute> attributes;  // in encoded order
    std::string canonical;                  // equal exactly where X509_NAME_cmp() says that names are equal
    std::string malformed;                  // why it is malformed, or empty
    std::string other_by_text;              // by_text() where that differs from `canonical`; else empty

    // As a selector's text compares it: with what X509_NAME_cmp() tells apart by NumericString alone made equal.
    const std::string& by_text() const { return other_by_text.empty() ? canonical : other_by_text; }

    // RFC 4514 text, most specific first. For people: it is never compared.
    std::string text() const;
};

// Reads a name. Never fails: what is wrong with it stands in `malformed`.
DistinguishedName read_name(const X509_NAME& name);

// One attribute value as X509_NAME_cmp() compares it: character strings lose their type, ASCII case, outer
// blanks and repeated blanks, where tabs and line ends are blanks; anything else (NumericString, BIT STRING, ...) keeps
// its DER. Malformed values have one too, or two notions of one name would differ about them. Nothing where OpenSSL
// itself cannot convert the bytes.
std::optional<std::string> canonical_value(int tag, std::string_view bytes, std::string_view der);

// The same as a selector's text compares it: NumericString loses its type too.
std::string compared_by_text(const NameAttribute& attribute);

// Whether a name is the one that a NamePattern was read from; `canonical` and `exact` are of that.
bool name_fits(const DistinguishedName& name, std::string_view canonical, std::string_view exact);

// A name that somebody wrote, to compare with names of certificates.
struct NamePattern {
    DistinguishedName name;  // its `canonical` is what by_text() of a name has to be
    std::string exact;       // its attributes that were given as #hex, which are compared as bytes
    bool slash_form = false;

    // Reads RFC 4514 text (most specific first, blanks around separators allowed) or OpenSSL's /C=US/O=... form.
    static Result<NamePattern> parse(std::string_view text);

    bool matches(const DistinguishedName& other) const { return name_fits(other, name.canonical, exact); }

    // The corrected text where the name reads as if it was written in reverse (C=...,...,CN=...), as
    // `openssl x509 -subject` prints it; nothing otherwise.
    std::optional<std::string> reversed_suggestion() const;
};

// The value of an attribute that somebody wrote: plain text, or #hex for full DER.
struct AttributePattern {
    std::string folded;  // the text, as attribute_fits() compares it
    std::string der;     // where not empty, this alone is compared

    static Result<AttributePattern> parse(std::string_view text);
    static Result<AttributePattern> from_text(std::string_view text);  // a leading # means itself
};
bool attribute_fits(const NameAttribute& attribute, std::string_view folded);
// What compared_by_text() has of an attribute that such a text fits.
std::string canonical_of_text(std::string_view folded);

}  // namespace mtls
