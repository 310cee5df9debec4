// What a TLS session carries for us: the intermediates that a client sent, since a resumed session has lost them. Never
// a verdict, a partner or a generation: those are found anew from the certificates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// What a session carries at most: post-quantum chains are long, and a ticket has to fit a TLS message.
constexpr std::size_t kMostHelpers = 10;
constexpr std::size_t kMostHelperBytes = 32768;  // DER

// What of a client's certificates is beyond these limits.
struct LeftOut {
    std::uint32_t count = 0;
    std::uint32_t bytes = 0;  // DER
};

struct SentHelpers {
    std::vector<X509Ptr> certificates = {};
    LeftOut left_out = {};
};

// The certificates of `chain` (borrowed, in any order, but those first that a path used) that can stand on a path above
// `leaf`: issuer by issuer, without self-signed ones. As many as the session carries, so that full and resumed
// handshakes always see the same; the others are counted.
SentHelpers useful_helpers(const X509& leaf, const std::vector<X509*>& chain);

// A version byte, the SHA-256 of the leaf they belong to, each certificate's length (two bytes) and DER; and where
// something was left out a length of 0, the count (four bytes) and the bytes (four).
std::string encode_helpers(const X509& leaf, const SentHelpers& helpers);

// The helpers that were encoded for this leaf; nothing where the data are of another version or leaf, or damaged.
// What it returns is untrusted: it came through the client's hands or a shared cache.
SentHelpers decode_helpers(std::string_view data, const X509& leaf);

// How many count, how many do not, and the limits; for people.
std::string describe_left_out(const std::vector<X509Ptr>& kept, const LeftOut& left_out);

}  // namespace mtls
