// What a front hands on: a balancer or CDN that ends TLS, and writes its client's certificate into header fields. Who
// may be believed is not asked here, nor whether a certificate is worth anything.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class FrontFormat : std::uint8_t {
    kRfc9440,  // Client-Cert: a Byte Sequence (RFC 9651 4.2.7) without parameters; its chain a List of them
    kPemUrl,   // percent-encoded PEM; `+`, `/` and `=` may stand as they are (nginx, AWS ALB)
    kDer,      // base64 (RFC 4648 4, padded) of DER; its chain of one certificate behind the other (HAProxy)
    kXfcc,     // Envoy's X-Forwarded-Client-Cert: one element, with Cert="..." and perhaps Chain="..."
};
// As MTLSFront spells them, in that order.
constexpr std::array<std::string_view, 4> kFrontFormats = {"rfc9440", "pem-url", "der", "xfcc"};
constexpr std::string_view word_of(FrontFormat format) { return kFrontFormats[static_cast<std::size_t>(format)]; }

constexpr std::size_t kMostFrontBytes = 65536;      // of a field; httpd's LimitRequestFieldSize is 8,190 by default
constexpr std::size_t kMostFrontCertificates = 16;  // of a chain

struct HandedChain {
    X509Ptr leaf;
    std::vector<X509Ptr> chain;  // in the order in which they were handed on; may hold the leaf again
};

// Whether the field of the leaf holds its chain too, the leaf first: only PEM can.
enum class FieldHolds { kOneCertificate, kLeafAndChain };

// Exactly one certificate (but for kLeafAndChain and the chain of XFCC), and nothing behind it. An error completes the
// sentence "HEADER ..." and holds nothing of the field's value.
Result<HandedChain> decode_front_header(FrontFormat format, std::string_view value,
                                        FieldHolds holds = FieldHolds::kOneCertificate);
// The field that holds the chain alone; one without value holds none. Not of XFCC, which has no such field.
Result<std::vector<X509Ptr>> decode_front_chain(FrontFormat format, std::string_view value);

}  // namespace mtls
