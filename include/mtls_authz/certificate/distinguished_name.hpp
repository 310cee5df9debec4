// Distinguished names (RFC 5280 4.1.2.4 and 7.1) as a list of typed attributes, never as a flattened string.
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
    int rdn = 0;            // index of the RelativeDistinguishedName that contains it, in encoded order
    std::string text;       // UTF-8; "#hex" of the DER if the value is not a string
    std::string canonical;  // the form used for comparison, see canonical_value()
    std::string der;        // the value's full DER encoding
};

struct DistinguishedName {
    std::vector<NameAttribute> attributes;  // in encoded order
    std::string canonical;                  // equal exactly if X509_NAME_cmp() returns 0
    std::string malformed;                  // the reason why it is malformed, or empty
    std::string other_by_text;              // by_text() if it differs from `canonical`; else empty

    // The form that is compared with a selector's text: unlike X509_NAME_cmp(), it ignores the type NumericString.
    const std::string& by_text() const { return other_by_text.empty() ? canonical : other_by_text; }

    // RFC 4514 text, most specific first. For display only; it is never compared.
    std::string text() const;
};

// Decodes a name. Never fails; the first fault is in `malformed`.
DistinguishedName read_name(const X509_NAME& name);

// The canonical form of one attribute value, equal exactly if X509_NAME_cmp() treats two values as equal. Character
// strings lose their type, ASCII case, leading and trailing blanks, and repeated blanks, where tabs and line ends count
// as blanks; any other type (NumericString, BIT STRING, ...) keeps its DER. Malformed values have one too, as in
// X509_NAME_cmp(). Nothing if OpenSSL cannot convert the bytes.
std::optional<std::string> canonical_value(int tag, std::string_view bytes, std::string_view der);

// The canonical form that is compared with a selector's text: NumericString loses its type too.
std::string compared_by_text(const NameAttribute& attribute);

// Whether a name matches a NamePattern with these `canonical` and `exact`.
bool name_fits(const DistinguishedName& name, std::string_view canonical, std::string_view exact);

// A distinguished name from the configuration, compared with names in certificates.
struct NamePattern {
    DistinguishedName name;  // by_text() of a matching name equals its `canonical`
    std::string exact;       // the attributes given as #hex, which are compared as bytes
    bool slash_form = false;

    // Parses RFC 4514 text (most specific first, blanks around separators allowed) or OpenSSL's /C=US/O=... form.
    static Result<NamePattern> parse(std::string_view text);

    bool matches(const DistinguishedName& other) const { return name_fits(other, name.canonical, exact); }

    // The corrected text if the name looks reversed (C=...,...,CN=...), as `openssl x509 -subject` prints it; else
    // nothing.
    std::optional<std::string> reversed_suggestion() const;
};

// An attribute value from the configuration: plain text, or #hex for full DER.
struct AttributePattern {
    std::string folded;  // the canonical text, see attribute_fits()
    std::string der;     // if not empty, only this is compared

    static Result<AttributePattern> parse(std::string_view text);
    static Result<AttributePattern> from_text(std::string_view text);  // a leading # has no special meaning
};
// The value that is meant by one with the escapes of a whole name (O=M\C3\BCller\, Inc), which are none in a value by
// itself; nothing where the backslashes may be its own.
std::optional<std::string> without_escapes(std::string_view text);
bool attribute_fits(const NameAttribute& attribute, std::string_view folded);
// The value of compared_by_text() for an attribute that matches this text.
std::string canonical_of_text(std::string_view folded);

}  // namespace mtls
