// Which signatures this process has verified before: one of P-256 costs a fourteenth of a handshake, and the same
// client comes again.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// Remembers which key signed which certificate, both by their SHA-256. It says nothing of dates, purposes, revocation
// or trust, which are asked every time. Of fixed size: what is new takes the place of something old. Thread-safe.
class SignatureMemory {
public:
    static constexpr std::size_t kPlaces = 4096;

    // Raw digests of 32 bytes.
    bool knows(std::string_view certificate, std::string_view key) noexcept;
    void remember(std::string_view certificate, std::string_view key) noexcept;

private:
    static constexpr std::size_t kDigest = 32;
    using Pair = std::array<char, 2 * kDigest>;
    static bool make_pair(std::string_view certificate, std::string_view key, Pair& out) noexcept;
    Pair& place_of(const Pair& pair) noexcept;

    std::mutex mutex_;
    std::array<Pair, kPlaces> known_{};  // all zero: of nothing
};

// Of this process.
SignatureMemory& signatures();

// Whether a key signed a certificate. `digest`, `key_digest`: their SHA-256. `issuer`: gives a certificate with that
// key, where one is needed.
template <class Issuer>
bool is_signed_by(const X509& certificate, std::string_view digest, std::string_view key_digest, Issuer&& issuer) {
    if (signatures().knows(digest, key_digest)) return true;
    const ErrorQueueGuard errors;
    const auto& ca = issuer();
    EVP_PKEY* const key = X509_get0_pubkey(&*ca);
    // X509_verify() caches in the certificate and takes it non-const; its locks make that safe.
    const bool verified = key != nullptr && X509_verify(const_cast<X509*>(&certificate), key) == 1;
    if (verified) signatures().remember(digest, key_digest);
    return verified;
}

}  // namespace mtls
