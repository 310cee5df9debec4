#include "mtls_authz/trust/signature_cache.hpp"

#include <cstdint>
#include <cstring>

#include "mtls_authz/trust/trust.hpp"

namespace mtls {

SignatureCache& signatures() {
    static SignatureCache of_process;
    return of_process;
}

bool SignatureCache::make_pair(std::string_view certificate, std::string_view key, Pair& out) noexcept {
    if (certificate.size() != kDigest || key.size() != kDigest) return false;
    certificate.copy(out.data(), kDigest);
    key.copy(out.data() + kDigest, kDigest);
    return out != Pair{};
}

SignatureCache::Pair& SignatureCache::slot_of(const Pair& pair) noexcept {
    std::uint64_t first = 0;
    std::memcpy(&first, pair.data(), sizeof first);
    return slots_[first % kSlots];
}

bool SignatureCache::contains(std::string_view certificate, std::string_view key) noexcept {
    Pair asked;
    if (!make_pair(certificate, key, asked)) return false;
    const std::lock_guard lock(mutex_);
    return slot_of(asked) == asked;
}

void SignatureCache::insert(std::string_view certificate, std::string_view key) noexcept {
    Pair verified;
    if (!make_pair(certificate, key, verified)) return;
    const std::lock_guard lock(mutex_);
    slot_of(verified) = verified;
}

void add_signatures(const std::vector<X509Ptr>& chain, const PresentedCertificate& presented) {
    const ErrorQueueGuard errors;
    for (std::size_t i = 0; i + 1 < chain.size(); ++i)
        signatures().insert(presented.sha256_of(*chain[i]), spki_sha256(*chain[i + 1]));
}

}  // namespace mtls
