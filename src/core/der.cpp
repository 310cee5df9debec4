#include "mtls_authz/der.hpp"

#include <openssl/asn1.h>

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

std::optional<DerElement> DerReader::next() {
    const auto at = [this](std::size_t i) { return static_cast<std::uint8_t>(rest_[i]); };
    if (rest_.size() < 2 || (at(0) & 0x1f) == 0x1f) return std::nullopt;
    std::size_t header = 2;
    std::size_t length = at(1);
    if (length >= 0x80) {
        const std::size_t octets = length & 0x7f;
        if (octets == 0 || octets > 4 || rest_.size() < 2 + octets) return std::nullopt;
        length = 0;
        for (std::size_t i = 0; i < octets; ++i) length = (length << 8) | at(2 + i);
        header += octets;
        // X.690 10.1: in the shortest form. OpenSSL would take a longer one, too.
        if (length < 0x80 || length >> (8 * (octets - 1)) == 0) return std::nullopt;
    }
    if (length > rest_.size() - header) return std::nullopt;
    const DerElement element{at(0), rest_.substr(header, length), rest_.substr(0, header + length)};
    rest_.remove_prefix(header + length);
    return element;
}

std::optional<DerElement> DerReader::next(std::uint8_t tag) {
    const auto element = next();
    return element && element->tag == tag ? element : std::nullopt;
}

namespace {

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

// Fixed-width code units, big-endian, as BMPString (2) and UniversalString (4) have them.
std::optional<std::u32string> decode_fixed(std::string_view bytes, std::size_t width) {
    if (bytes.size() % width != 0) return std::nullopt;
    std::u32string out;
    for (std::size_t i = 0; i < bytes.size(); i += width) {
        char32_t code = 0;
        for (std::size_t k = 0; k < width; ++k) code = (code << 8) | static_cast<std::uint8_t>(bytes[i + k]);
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return std::nullopt;
        out += code;
    }
    return out;
}

std::optional<std::u32string> decode_bytes(std::string_view bytes, std::uint8_t highest) {
    std::u32string out;
    for (const char c : bytes) {
        if (static_cast<std::uint8_t>(c) > highest) return std::nullopt;
        out += static_cast<char32_t>(static_cast<std::uint8_t>(c));
    }
    return out;
}

std::optional<std::u32string> decode_asn1(int tag, std::string_view bytes) {
    switch (tag) {
        case V_ASN1_UTF8STRING:
            return decode_utf8(bytes);
        case V_ASN1_BMPSTRING:
            return decode_fixed(bytes, 2);
        case V_ASN1_UNIVERSALSTRING:
            return decode_fixed(bytes, 4);
        case V_ASN1_T61STRING:
            return decode_bytes(bytes, 0xff);
        case V_ASN1_PRINTABLESTRING:  // issuers put '@', '*' and '&' here; visible ASCII is what OpenSSL takes
        case V_ASN1_IA5STRING:
        case V_ASN1_VISIBLESTRING:
            return decode_bytes(bytes, 0x7f);
        case V_ASN1_NUMERICSTRING:
            for (const char c : bytes) {
                if (!is_digit(c) && c != ' ') return std::nullopt;
            }
            return decode_bytes(bytes, 0x7f);
        default:
            return std::nullopt;
    }
}

}  // namespace

namespace {

// Visible ASCII in a type that has it as it stands: nearly all names.
bool is_plain(int tag, std::string_view bytes) {
    const bool as_it_stands = tag == V_ASN1_UTF8STRING || tag == V_ASN1_PRINTABLESTRING || tag == V_ASN1_IA5STRING;
    return as_it_stands && std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<std::string> asn1_text(int tag, std::string_view bytes) {
    if (is_plain(tag, bytes)) return std::string(bytes);
    const auto decoded = decode_asn1(tag, bytes);
    if (!decoded) return std::nullopt;
    std::string out;
    for (const char32_t c : *decoded) {
        if (is_control(c)) return std::nullopt;
        append_utf8(out, c);
    }
    return out;
}

std::optional<std::string> der_string_text(std::string_view der) {
    DerReader reader(der);
    const auto element = reader.next();
    if (!element || !reader.at_end() || element->tag >= 0x1f) return std::nullopt;
    return asn1_text(element->tag, element->content);
}

}  // namespace mtls
