// Decodes the certificates in the headers of a front: a balancer or CDN that ends TLS and writes its client's
// certificate into header fields. Nothing here checks whether the front is trusted or the certificate valid.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls {

enum class FrontFormat : std::uint8_t {
    kRfc9440,  // Client-Cert: a Byte Sequence (RFC 9651 4.2.7) without parameters; the chain is a List of them
    kPemUrl,   // percent-encoded PEM; `+`, `/` and `=` may be unencoded (nginx, AWS ALB)
    kDer,      // base64 (RFC 4648 section 4, padded) of DER; the chain is concatenated DER (HAProxy)
    kXfcc,     // Envoy's X-Forwarded-Client-Cert: one element, with Cert="..." and optionally Chain="..."
};
// The values of format= in MTLSFront, in the order of the enum.
constexpr std::array<std::string_view, 4> kFrontFormats = {"rfc9440", "pem-url", "der", "xfcc"};
constexpr std::string_view word_of(FrontFormat format) { return kFrontFormats[static_cast<std::size_t>(format)]; }

constexpr std::size_t kMostFrontBytes = 65536;      // per field; httpd's LimitRequestFieldSize is 8,190 by default
constexpr std::size_t kMostFrontCertificates = 16;  // per chain

struct HandedChain {
    X509Ptr leaf;
    std::vector<X509Ptr> chain;  // in the order received; may contain the leaf again
};

// Whether the field of the leaf may contain the chain too, the leaf first; only PEM can.
enum class FieldHolds { kOneCertificate, kLeafAndChain };

// Decodes exactly one certificate (or more, for kLeafAndChain and the chain of XFCC) without trailing data. An error
// completes the sentence "HEADER ..." and contains nothing of the field's value.
Result<HandedChain> decode_front_header(FrontFormat format, std::string_view value,
                                        FieldHolds holds = FieldHolds::kOneCertificate);
// Decodes the field with the chain; an empty field is an empty chain. XFCC has no such field.
Result<std::vector<X509Ptr>> decode_front_chain(FrontFormat format, std::string_view value);

}  // namespace mtls
