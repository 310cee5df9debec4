// A cache of verified signatures: verifying one with P-256 takes 1/14 of the time of a handshake, and the same clients
// reconnect.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/certificate/algorithms.hpp"

namespace mtls {

// Caches which key signed which certificate, both by SHA-256. Dates, purposes, revocation and trust are not cached;
// they are checked every time. Direct-mapped, of fixed size: a new entry evicts the old one in its slot. Thread-safe.
class SignatureCache {
public:
    static constexpr std::size_t kSlots = 4096;

    // Raw digests, 32 bytes each.
    bool contains(std::string_view certificate, std::string_view key) noexcept;
    void insert(std::string_view certificate, std::string_view key) noexcept;

private:
    static constexpr std::size_t kDigest = 32;
    using Pair = std::array<char, 2 * kDigest>;
    static bool make_pair(std::string_view certificate, std::string_view key, Pair& out) noexcept;
    Pair& slot_of(const Pair& pair) noexcept;

    std::mutex mutex_;
    std::array<Pair, kSlots> slots_{};  // all zero: empty
};

// The cache of this process.
SignatureCache& signatures();

struct PresentedCertificate;

// Adds those of a chain that OpenSSL has verified, of this certificate: each is signed by the next.
void add_signatures(const std::vector<X509Ptr>& chain, const PresentedCertificate& presented);

// Whether a key signed a certificate. `digest`, `key_digest`: their SHA-256. `issuer` returns a certificate with that
// key; called only if the signature is not cached.
template <class Issuer>
bool is_signed_by(const X509& certificate, std::string_view digest, std::string_view key_digest, Issuer&& issuer) {
    if (signatures().contains(digest, key_digest)) return true;
    const ErrorQueueGuard errors;
    const auto& ca = issuer();
    EVP_PKEY* const key = X509_get0_pubkey(&*ca);
    // X509_verify() takes the certificate non-const to cache in it, and locks it for that.
    const bool verified = key != nullptr && X509_verify(const_cast<X509*>(&certificate), key) == 1;
    if (verified) signatures().insert(digest, key_digest);
    return verified;
}

// How many signatures one search verifies: certificates cost the peer less to make than us to verify. Each key of the
// policy or of the server may be tried once, however many CAs have one name; beyond that, and for keys of the peer,
// there are 64, without those with a costly_key(). Signatures in the cache cost nothing.
class SignatureBudget {
public:
    enum class KeyOf { kPeer, kUs };

    SignatureBudget() = default;
    static SignatureBudget unlimited() { return SignatureBudget(SIZE_MAX); }

    bool take(std::string_view key_digest, KeyOf whose) {
        if (whose == KeyOf::kUs && tried_.emplace(key_digest).second) return true;
        is_exhausted_ = left_ == 0;
        if (!is_exhausted_) --left_;
        return !is_exhausted_;
    }
    // Whether a signature was not verified for want of budget: an issuer may be missing from the search.
    bool is_exhausted() const { return is_exhausted_; }

private:
    explicit SignatureBudget(std::size_t left) : left_(left) {}

    std::set<std::string, std::less<>> tried_;
    std::size_t left_ = 64;
    bool is_exhausted_ = false;
};

// The same as is_signed_by() above; also false if the budget is exhausted.
template <class Issuer>
bool is_signed_by(const X509& certificate, std::string_view digest, std::string_view key_digest,
                  SignatureBudget& budget, SignatureBudget::KeyOf whose, Issuer&& issuer) {
    if (signatures().contains(digest, key_digest)) return true;
    if (!budget.take(key_digest, whose)) return false;
    const auto& ca = issuer();
    if (whose == SignatureBudget::KeyOf::kPeer && !costly_key(*ca).empty()) return false;
    return is_signed_by(
        certificate, digest, key_digest, [&ca]() -> const auto& { return ca; });
}

// Whether a certificate is signed with its own key. The name and the key identifiers, by which OpenSSL decides, do not
// show it: a CA's certificate for its new key may be signed with the old one (RFC 4210 4.4).
inline bool is_self_signed(X509& certificate, std::string_view digest, std::string_view key_digest) {
    return (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0 &&
           is_signed_by(certificate, digest, key_digest, [&certificate] { return &certificate; });
}

}  // namespace mtls
