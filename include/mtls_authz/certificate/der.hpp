// A reader for DER (X.690) that never reads past its input and never recurses. It is for the few structures that
// OpenSSL has no typed decoder for: QCStatements, otherName values, unknown extensions.
#pragma once

#include <openssl/asn1.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mtls {

struct DerElement {
    std::uint8_t tag = 0;       // identifier octet; high tag numbers are rejected
    std::string_view content;   // borrowed from the input
    std::string_view encoding;  // header and content
};

class DerReader {
public:
    explicit DerReader(std::string_view input) : rest_(input) {}

    bool at_end() const { return rest_.empty(); }

    // The next element; nothing if it extends beyond the input, or if its length is indefinite or not in the shortest
    // form.
    std::optional<DerElement> next();
    // The same; nothing if its tag differs from `tag`.
    std::optional<DerElement> next(std::uint8_t tag);

private:
    std::string_view rest_;
};

// An element of a universal type, with its header; `tag`: a V_ASN1_ number. Constructed if it is a SEQUENCE.
std::string der_element(int tag, const std::string& content);

constexpr std::uint8_t kDerOid = 0x06;
constexpr std::uint8_t kDerUtf8String = 0x0c;
constexpr std::uint8_t kDerSequence = 0x30;

// The text of one DER string (UTF8String, PrintableString, IA5String, ...) as UTF-8. Nothing if `der` is not a string,
// has trailing bytes, or contains bytes that asn1_text() rejects.
std::optional<std::string> der_string_text(std::string_view der);

// Decodes a string with the universal tag `tag` to UTF-8. Nothing if the bytes are invalid for the type, or contain
// NUL, C0, DEL or C1 control characters. T61String is read as Latin-1.
std::optional<std::string> asn1_text(int tag, std::string_view bytes);

// Object identifiers.

// The dotted OID for a name in OpenSSL's table (short or long, case-insensitive) or for a dotted OID; nothing for
// others. `E` is emailAddress, `S` is ST.
std::optional<std::string> oid_from_text(std::string_view text);

// OpenSSL's short name, or the dotted form if it has none.
std::string oid_name(const std::string& dotted);

std::string oid_dotted(const ASN1_OBJECT& object);

}  // namespace mtls
