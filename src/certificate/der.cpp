#include "mtls_authz/certificate/der.hpp"

#include <openssl/asn1.h>
#include <openssl/objects.h>

#include <algorithm>
#include <charconv>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

std::string der_element(int tag, const std::string& content) {
    const int length = static_cast<int>(content.size()), is_constructed = tag == V_ASN1_SEQUENCE ? 1 : 0;
    std::string out(static_cast<std::size_t>(ASN1_object_size(is_constructed, length, tag)) - content.size(), '\0');
    auto* p = reinterpret_cast<unsigned char*>(out.data());
    ASN1_put_object(&p, is_constructed, length, tag, V_ASN1_UNIVERSAL);
    return out + content;
}

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
        // X.690 10.1: only the shortest form. OpenSSL accepts longer ones too.
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

// Fixed-width code units, big-endian: BMPString (2 bytes) and UniversalString (4 bytes).
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
        case V_ASN1_PRINTABLESTRING:  // issuers put '@', '*' and '&' here; OpenSSL accepts visible ASCII
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

// Visible ASCII in a type that encodes it unchanged; fast path for nearly all names.
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

// ---- object identifiers -----------------------------------------------------------------------------------------

namespace {

bool is_dotted(std::string_view text) {
    return text.find('.') != std::string_view::npos &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
}

int nid_in_any_case(const std::string& name) {
    int nid = OBJ_sn2nid(name.c_str());
    if (nid == NID_undef) nid = OBJ_ln2nid(name.c_str());
    if (nid != NID_undef) return nid;
    const int end = OBJ_new_nid(0);
    for (int i = 1; i < end; ++i) {
        const ErrorQueueGuard errors;
        const char* const sn = OBJ_nid2sn(i);
        const char* const ln = OBJ_nid2ln(i);
        if ((sn != nullptr && equal_nocase(sn, name)) || (ln != nullptr && equal_nocase(ln, name))) return i;
    }
    return NID_undef;
}

std::string dotted_by_openssl(const ASN1_OBJECT& object) {
    const int length = OBJ_obj2txt(nullptr, 0, &object, 1);
    if (length <= 0) return {};
    std::string out(static_cast<std::size_t>(length) + 1, '\0');
    OBJ_obj2txt(out.data(), length + 1, &object, 1);
    out.resize(static_cast<std::size_t>(length));
    return out;
}

}  // namespace

// X.690 8.19: arcs in base 128, the first two combined. OpenSSL's function takes 10,000 instructions; it is used only
// for unusual OIDs.
std::string oid_dotted(const ASN1_OBJECT& object) {
    constexpr std::uint64_t kMore = 0x80, kRootSize = 40, kLastRoot = 2;
    const unsigned char* const bytes = OBJ_get0_data(&object);
    const std::size_t size = OBJ_length(&object);
    // An arc of n bytes has at most 3 n digits; the first byte encodes two arcs.
    std::string out(3 * size + size + 2, '\0');
    char* next = out.data();
    char* const end = next + out.size();
    const auto put = [&](std::uint64_t number) { next = std::to_chars(next, end, number).ptr; };
    std::uint64_t arc = 0;
    bool is_first = true;
    bool is_complete = false;
    for (std::size_t i = 0; i < size; ++i) {
        const bool is_padded = bytes[i] == kMore && (i == 0 || is_complete);
        if (is_padded || arc > UINT64_MAX >> 7) return dotted_by_openssl(object);
        arc = arc << 7 | (bytes[i] & ~kMore);
        is_complete = (bytes[i] & kMore) == 0;
        if (!is_complete) continue;
        if (is_first) {
            const std::uint64_t root = std::min(arc / kRootSize, kLastRoot);
            put(root);
            arc -= root * kRootSize;
        }
        *next++ = '.';
        put(arc);
        is_first = false;
        arc = 0;
    }
    if (!is_complete) return dotted_by_openssl(object);
    out.resize(static_cast<std::size_t>(next - out.data()));
    return out;
}

std::optional<std::string> oid_from_text(std::string_view text) {
    const ErrorQueueGuard errors;
    const std::string name(text);
    // OpenSSL reads a name up to a NUL: the text after it would be ignored.
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ' ' || c == '/';
    });
    if (!plain) return std::nullopt;
    if (is_dotted(text)) {
        const Asn1ObjectPtr object(OBJ_txt2obj(name.c_str(), 1));
        return object ? std::optional(oid_dotted(*object)) : std::nullopt;
    }
    if (equal_nocase(text, "E")) return "1.2.840.113549.1.9.1";
    if (equal_nocase(text, "S")) return "2.5.4.8";
    const int nid = nid_in_any_case(name);
    if (nid == NID_undef) return std::nullopt;
    const ASN1_OBJECT* const object = OBJ_nid2obj(nid);
    std::string dotted = object != nullptr ? oid_dotted(*object) : std::string();
    return is_dotted(dotted) ? std::optional(std::move(dotted)) : std::nullopt;
}

std::string oid_name(const std::string& dotted) {
    const ErrorQueueGuard errors;
    const Asn1ObjectPtr object(OBJ_txt2obj(dotted.c_str(), 1));
    const int nid = object ? OBJ_obj2nid(object.get()) : NID_undef;
    return nid == NID_undef ? dotted : std::string(OBJ_nid2sn(nid));
}

}  // namespace mtls
