// The bundle of a SPIFFE trust domain: the CA certificates that may issue its X509-SVIDs, as a JWK set (RFC 7517;
// SPIFFE Trust Domain and Bundle 4, X509-SVID 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

constexpr std::size_t kLargestBundle = 4UL << 20;
constexpr std::size_t kMostBundleKeys = 1'000;  // in the JWK set, of any use
constexpr std::size_t kDeepestBundle = 16;      // nesting depth of arrays and objects

struct SpiffeBundle {
    std::optional<std::uint64_t> sequence;      // spiffe_sequence; increases with each update of the bundle
    std::optional<std::uint64_t> refresh_hint;  // spiffe_refresh_hint, in seconds
    std::vector<std::string> authorities;       // DER, without duplicates, in the order of the keys; at least one
    std::vector<std::string> warnings;          // about ignored keys that may have been intended
};

// Ignores keys of other uses, keys of unknown types, and `x509-svid` keys without `x5c`; uses the first of several
// certificates in `x5c` (X509-SVID 6.2). Any other fault rejects the whole bundle: JSON with a repeated name, with a
// NUL, or nested deeper than kDeepestBundle; `x5c` that is not standard base64 of one CA certificate in DER, or has
// another key than the JWK's own members; a number that is not an integer; no certificate at all. The error completes
// the sentence "FILE ...", and names the key by its index.
// Does not check validity dates or the origin of the bundle.
Result<SpiffeBundle> read_spiffe_bundle(std::string_view text);

}  // namespace mtls
