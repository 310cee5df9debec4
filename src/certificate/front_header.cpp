#include "mtls_authz/certificate/front_header.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

namespace {

using Certificates = std::vector<X509Ptr>;

Error too_many() { return {"holds more than " + std::to_string(kMostFrontCertificates) + " certificates"}; }

// kOptional: RFC 9651 4.2.7 tolerates missing padding and non-zero pad bits.
enum class Padding { kRequired, kOptional };

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Nothing if the text is not base64.
std::optional<std::string> from_base64(std::string_view text, Padding padding) {
    constexpr std::size_t kGroup = 4;
    const std::size_t digits = std::min(text.find('='), text.size());
    const std::size_t pads = text.size() - digits;
    const bool is_padded = text.size() % kGroup == 0 && pads <= 2;
    const bool may_lack_padding = padding == Padding::kOptional && pads == 0 && digits % kGroup != 1;
    if (!is_padded && !may_lack_padding) return std::nullopt;
    if (text.find_first_not_of('=', digits) != std::string_view::npos) return std::nullopt;
    std::string out;
    std::uint32_t bits = 0;
    unsigned count = 0;  // bits in `bits` that are not output yet
    for (const char c : text.substr(0, digits)) {
        const int digit = base64_digit(c);
        if (digit < 0) return std::nullopt;
        bits = (bits << 6) | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count);
    }
    const bool has_spare_bits = (bits & ((1U << count) - 1)) != 0;
    return has_spare_bits && padding == Padding::kRequired ? std::nullopt : std::optional(std::move(out));
}

// Removes one certificate from the front of `der`; null if there is none, or if its encoding is not DER.
X509Ptr take_certificate(std::string_view& der) {
    const ErrorQueueGuard errors;
    std::string_view rest = der;
    X509Ptr out = take_x509(rest);
    if (!out || encode(i2d_X509, *out) != der.substr(0, der.size() - rest.size())) return nullptr;
    der = rest;
    return out;
}

Result<X509Ptr> read_certificate(std::string_view der) {
    X509Ptr out = take_certificate(der);
    if (!out) return Error{"holds base64 of something else than a certificate in DER"};
    if (!der.empty()) return Error{"holds something behind the certificate"};
    return out;
}

Result<Certificates> read_concatenated(std::string_view der) {
    Certificates out;
    while (!der.empty()) {
        if (out.size() == kMostFrontCertificates) return too_many();
        X509Ptr certificate = take_certificate(der);
        if (!certificate) return Error{"holds base64 of something else than certificates in DER"};
        out.push_back(std::move(certificate));
    }
    return out;
}

bool take(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) return false;
    text.remove_prefix(what.size());
    return true;
}

// ---- RFC 9440 -------------------------------------------------------------------------------------------------------

void skip(std::string_view& text, std::string_view characters) {
    text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
}

// RFC 9651 4.2.7: removes a Byte Sequence from the front of `text`.
Result<X509Ptr> take_byte_sequence(std::string_view& text) {
    if (!take(text, ":")) return Error{"is no Byte Sequence of RFC 9651, like :MII...:"};
    const std::size_t end = text.find(':');
    if (end == std::string_view::npos) return Error{"is a Byte Sequence without its closing ':'"};
    const auto der = from_base64(text.substr(0, end), Padding::kOptional);
    if (!der) return Error{"is a Byte Sequence that is no base64"};
    text.remove_prefix(end + 1);
    return read_certificate(*der);
}

Result<X509Ptr> read_item(std::string_view text) {
    skip(text, " ");
    auto out = take_byte_sequence(text);
    skip(text, " ");
    if (!out || text.empty()) return out;
    return Error{text.starts_with(',') ? "holds more than one Byte Sequence, or occurs twice"
                                       : "holds something behind its Byte Sequence"};
}

// RFC 9651 4.2.1.
Result<Certificates> read_list(std::string_view text) {
    Certificates out;
    skip(text, " ");
    while (!text.empty()) {
        if (out.size() == kMostFrontCertificates) return too_many();
        auto certificate = take_byte_sequence(text);
        if (!certificate) return Error{certificate.error()};
        out.push_back(std::move(certificate.value()));
        skip(text, " \t");
        if (text.empty()) return out;
        if (!take(text, ",")) return Error{"holds something else than Byte Sequences"};
        skip(text, " \t");
        if (text.empty()) return Error{"ends in a comma"};
    }
    return out;
}

// ---- PEM ------------------------------------------------------------------------------------------------------------

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            const auto byte = from_hex(text.substr(i + 1, 2), false);
            if (!byte || byte->size() != 1) return std::nullopt;
            out += *byte;
            i += 2;
        } else if (is_alnum(c) || c == '-' || c == '+' || c == '/' || c == '=') {
            out += c;
        } else {
            return std::nullopt;
        }
    }
    return out;
}

bool take_line_end(std::string_view& text) { return take(text, "\r\n") || take(text, "\n"); }

// Removes a block with its last line end from the front of `pem`; returns the DER in it.
std::optional<std::string> take_pem_block(std::string_view& pem) {
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
    if (!take(pem, "-----BEGIN CERTIFICATE-----") || !take_line_end(pem)) return std::nullopt;
    std::string_view body = pem.substr(0, pem.find(kEnd));
    if (body.size() == pem.size() || !body.ends_with('\n')) return std::nullopt;
    pem.remove_prefix(body.size() + kEnd.size());
    if (!pem.empty() && !take_line_end(pem)) return std::nullopt;
    std::string digits;
    while (!body.empty()) {
        const std::size_t line = std::min(body.find_first_of("\r\n"), body.size());
        digits += body.substr(0, line);
        body.remove_prefix(line);
        if (!take_line_end(body)) return std::nullopt;
    }
    return from_base64(digits, Padding::kRequired);
}

Result<Certificates> read_pem(std::string_view value) {
    const auto pem = percent_decoded(value);
    if (!pem) return Error{"is not percent-encoded"};
    Certificates out;
    for (std::string_view rest = *pem; !rest.empty();) {
        if (out.size() == kMostFrontCertificates) return too_many();
        const auto der = take_pem_block(rest);
        if (!der) {
            return Error{out.empty() ? "holds something else than a certificate in PEM"
                                     : "holds something behind the certificate"};
        }
        auto certificate = read_certificate(*der);
        if (!certificate) return Error{certificate.error()};
        out.push_back(std::move(certificate.value()));
    }
    return out;
}

Result<HandedChain> read_pem_leaf(std::string_view value, FieldHolds holds) {
    auto certificates = read_pem(value);
    if (!certificates) return Error{certificates.error()};
    Certificates& all = certificates.value();
    if (all.empty()) return Error{"is empty"};
    if (all.size() > 1 && holds == FieldHolds::kOneCertificate) {
        return Error{"holds " + std::to_string(all.size()) + " certificates in place of one"};
    }
    HandedChain out;
    out.leaf = std::move(all.front());
    out.chain.assign(std::make_move_iterator(all.begin() + 1), std::make_move_iterator(all.end()));
    return out;
}

// ---- XFCC -----------------------------------------------------------------------------------------------------------

// The used values of an element, still escaped.
struct XfccElement {
    std::optional<std::string_view> hash, cert, chain;
};

// Removes a value from the front of `text` and strips its quotes; nothing if a quote is unclosed or misplaced.
std::optional<std::string_view> take_xfcc_value(std::string_view& text) {
    if (!take(text, "\"")) {
        const std::size_t size = std::min(text.find_first_of(",;\""), text.size());
        const std::string_view out = text.substr(0, size);
        text.remove_prefix(size);
        return text.starts_with('"') ? std::nullopt : std::optional(out);
    }
    std::size_t end = 0;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) return std::nullopt;
    const std::string_view out = text.substr(0, end);
    text.remove_prefix(end + 1);
    return out;
}

Result<XfccElement> read_element(std::string_view text) {
    XfccElement out;
    for (;;) {
        const std::string key = lower(text.substr(0, text.find('=')));
        const bool is_word = !key.empty() && key.size() < text.size() && std::all_of(key.begin(), key.end(), is_alpha);
        if (!is_word) return Error{"is no list of KEY=VALUE, as Envoy writes it"};
        text.remove_prefix(key.size() + 1);
        const auto value = take_xfcc_value(text);
        if (!value) return Error{"has a value that is quoted wrongly"};
        std::optional<std::string_view> other;
        auto& place = key == "hash" ? out.hash : key == "cert" ? out.cert : key == "chain" ? out.chain : other;
        if (place) return Error{"holds " + key + "= twice"};
        place = *value;
        if (text.empty()) return out;
        if (text.starts_with(',')) return Error{"holds more than one element, of several proxies, or occurs twice"};
        if (!take(text, ";")) return Error{"has a value that is quoted wrongly"};
    }
}

Result<HandedChain> read_xfcc(std::string_view value) {
    const auto element = read_element(value);
    if (!element) return Error{element.error()};
    const auto& [hash, cert, chain] = element.value();
    if (!cert) return Error{"holds no Cert="};
    auto out = read_pem_leaf(*cert, FieldHolds::kOneCertificate);
    if (!out) return Error{"has a Cert= that " + out.error()};
    const std::string digest = hex(bytes_of(certificate_sha256(*out.value().leaf)));
    if (hash && !equal_nocase(*hash, digest)) return Error{"has a Hash= that is not the SHA-256 of its Cert="};
    if (!chain) return out;
    auto above = read_pem(*chain);
    if (!above) return Error{"has a Chain= that " + above.error()};
    out.value().chain = std::move(above.value());
    return out;
}

Result<HandedChain> as_leaf(Result<X509Ptr> certificate) {
    if (!certificate) return Error{certificate.error()};
    HandedChain out;
    out.leaf = std::move(certificate.value());
    return out;
}

std::optional<Error> fault_of_size(std::string_view value) {
    if (value.size() <= kMostFrontBytes) return std::nullopt;
    return Error{"has " + std::to_string(value.size()) + " bytes, more than " + std::to_string(kMostFrontBytes)};
}

}  // namespace

Result<HandedChain> decode_front_header(FrontFormat format, std::string_view value, FieldHolds holds) {
    if (auto fault = fault_of_size(value)) return *fault;
    if (trim(value).empty()) {
        return Error{
            "is empty: the front's client sent no certificate, or one that the front could not write (HAProxy: larger "
            "than tune.bufsize)"};
    }
    switch (format) {
        case FrontFormat::kRfc9440:
            return as_leaf(read_item(value));
        case FrontFormat::kPemUrl:
            return read_pem_leaf(value, holds);
        case FrontFormat::kDer:
            if (const auto der = from_base64(value, Padding::kRequired)) return as_leaf(read_certificate(*der));
            return Error{"is no base64"};
        case FrontFormat::kXfcc:
            return read_xfcc(value);
    }
    return Error{"has no format"};
}

Result<std::vector<X509Ptr>> decode_front_chain(FrontFormat format, std::string_view value) {
    if (auto fault = fault_of_size(value)) return *fault;
    switch (format) {
        case FrontFormat::kRfc9440:
            return read_list(value);
        case FrontFormat::kPemUrl:
            return read_pem(value);
        case FrontFormat::kDer:
            if (const auto der = from_base64(value, Padding::kRequired)) return read_concatenated(*der);
            return Error{"is no base64"};
        case FrontFormat::kXfcc:
            break;
    }
    return Error{"is of a format that has no such field"};
}

}  // namespace mtls
