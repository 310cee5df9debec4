// A reader for DER (X.690) that never reads past its input and never recurses. For the few structures that
// OpenSSL has no typed decoder for: QCStatements, otherName values, unknown extensions.
#pragma once

#include <openssl/asn1.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mtls {

struct DerElement {
    std::uint8_t tag = 0;       // identifier octet; high tag numbers are refused
    std::string_view content;   // borrowed from the input
    std::string_view encoding;  // header and content
};

class DerReader {
public:
    explicit DerReader(std::string_view input) : rest_(input) {}

    bool at_end() const { return rest_.empty(); }

    // The next element, or nothing where it does not fit the input or its length is indefinite or longer than needed.
    std::optional<DerElement> next();
    // The same, and nothing where its tag is another one.
    std::optional<DerElement> next(std::uint8_t tag);

private:
    std::string_view rest_;
};

constexpr std::uint8_t kDerOid = 0x06;
constexpr std::uint8_t kDerUtf8String = 0x0c;
constexpr std::uint8_t kDerSequence = 0x30;

// The text of one DER string (UTF8String, PrintableString, IA5String, ...) as UTF-8; nothing where `der` is
// something else, is followed by more, or holds bytes that its type or well_formed_text() does not allow.
std::optional<std::string> der_string_text(std::string_view der);

// Decodes a string of the universal tag `tag` to UTF-8; nothing where the bytes are invalid for the type, or
// hold NUL, C0, DEL or C1 control characters. T61String is read as Latin-1.
std::optional<std::string> asn1_text(int tag, std::string_view bytes);

// Object identifiers, as OpenSSL knows them, in any case.

// The dotted form of a name that OpenSSL knows (short or long, any case) or of a dotted OID; nothing for
// others. `E` is emailAddress, `S` is ST, `DN qualifier` and the like are not invented.
std::optional<std::string> oid_from_text(std::string_view text);

// OpenSSL's short name, or the dotted form where it has none.
std::string oid_name(const std::string& dotted);

std::string oid_dotted(const ASN1_OBJECT& object);

}  // namespace mtls
