#include "mtls_authz/oid.hpp"

#include <openssl/objects.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "mtls_authz/openssl_types.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

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

}  // namespace

namespace {

std::string dotted_by_openssl(const ASN1_OBJECT& object) {
    const int length = OBJ_obj2txt(nullptr, 0, &object, 1);
    if (length <= 0) return {};
    std::string out(static_cast<std::size_t>(length) + 1, '\0');
    OBJ_obj2txt(out.data(), length + 1, &object, 1);
    out.resize(static_cast<std::size_t>(length));
    return out;
}

}  // namespace

// X.690 8.19: arcs in base 128, the first two in one. OpenSSL's own way takes ten thousand instructions; what is odd is
// left to it.
std::string oid_dotted(const ASN1_OBJECT& object) {
    constexpr std::uint64_t kMore = 0x80, kRootSize = 40, kLastRoot = 2;
    const unsigned char* const bytes = OBJ_get0_data(&object);
    const std::size_t size = OBJ_length(&object);
    // An arc of n bytes has no more than 3 n digits; the first byte makes two arcs.
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
    // OpenSSL reads names up to a NUL: what stands behind one must not be overlooked.
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
