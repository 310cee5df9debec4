// The application data that we store in a TLS session: the intermediates that the client sent, which OpenSSL drops on
// resumption. Never a verdict, a partner or a generation: these are computed again from the certificates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// Limits of the data in a session: post-quantum chains are long, and a ticket must fit into a TLS message.
constexpr std::size_t kMostHelpers = 10;
constexpr std::size_t kMostHelperBytes = 32768;  // DER

// The client's certificates that exceed these limits.
struct LeftOut {
    std::uint32_t count = 0;
    std::uint32_t bytes = 0;  // DER
};

struct SentHelpers {
    std::vector<X509Ptr> certificates = {};
    LeftOut left_out = {};
    std::vector<std::string> digests = {};  // SHA-256 of each, or empty
};

// The certificates of `chain` that can be on a path above `leaf`: issuer by issuer, without self-signed ones. `chain`
// is borrowed and in any order, but those that a path used come first. Applies the session's limits to full handshakes
// too, so that full and resumed handshakes see the same; the rest is only counted.
SentHelpers useful_helpers(const X509& leaf, const std::vector<X509*>& chain);

// For a chain from a file: moves to the front, nearest first, those that lead upwards from `leaf` by issuer and
// signature; of several, one that is valid now. A handshake's path does the same.
void put_path_first(const X509& leaf, std::vector<X509*>& chain);

// Format: a version byte, the SHA-256 of `leaf`, then each certificate's length (2 bytes) and DER. If some were left
// out: a length of 0, their count (4 bytes) and their size in bytes (4 bytes).
std::string encode_helpers(const X509& leaf, const SentHelpers& helpers);

// The helpers that were encoded for this leaf; nothing if the data have another version or leaf, or are damaged. The
// result is untrusted: it came from the client or from a shared cache.
SentHelpers decode_helpers(std::string_view data, const X509& leaf);

// A sentence for messages: how many are used, how many are not, and the limits.
std::string describe_left_out(const std::vector<X509Ptr>& kept, const LeftOut& left_out);

}  // namespace mtls
