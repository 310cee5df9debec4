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
constexpr std::size_t kMostBundleKeys = 1'000;  // of the JWK set, whatever their use
constexpr std::size_t kDeepestBundle = 16;      // arrays and objects within each other

struct SpiffeBundle {
    std::optional<std::uint64_t> sequence;      // spiffe_sequence; a later bundle has a higher one
    std::optional<std::uint64_t> refresh_hint;  // spiffe_refresh_hint, in seconds
    std::vector<std::string> authorities;       // DER, each once, in the order of the keys; at least one
    std::vector<std::string> warnings;          // keys that are passed over although they may be meant
};

// Keys of other uses and of key types that are not known are passed over, as are those of `x509-svid` without `x5c`; of
// several certificates in `x5c` the first counts (X509-SVID 6.2). Everything else that is odd refuses the bundle as a
// whole: JSON with a repeated name, with a NUL, or nested deeper than kDeepestBundle; `x5c` that is not standard base64
// of one CA certificate in DER, or that holds another key than the JWK's own members; a number that is no whole one;
// and no certificate at all. The error completes the sentence "FILE ...", and names the key by its place.
// Says nothing about validity dates, nor about who made the bundle.
Result<SpiffeBundle> read_spiffe_bundle(std::string_view text);

}  // namespace mtls
