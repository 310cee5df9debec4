#include "mtls_authz/sightings.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "mtls_authz/der.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

std::uint64_t partner_key(std::string_view name) {
    std::uint64_t key = 0;
    std::memcpy(&key, sha256(name).data(), sizeof key);
    return key != 0 ? key : 1;
}

std::optional<SeenCertificate> SeenCertificate::of(X509& leaf, const std::vector<X509Ptr>& intermediates) {
    const std::string der = encode(i2d_X509, leaf);
    if (der.size() > kMostLeafBytes) return std::nullopt;
    std::string digests;
    for (std::size_t i = 0; i < std::min(intermediates.size(), kMostAbove); ++i) {
        digests += certificate_sha256(*intermediates[i]) + spki_sha256(*intermediates[i]);
    }
    return SeenCertificate{der, digests};
}

X509Ptr SeenCertificate::decode_leaf() const {
    const ErrorQueueGuard errors;
    const std::string der = leaf.str();
    const auto* bytes = bytes_of(der).data();
    return X509Ptr(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
}

std::vector<CaDigests> SeenCertificate::decode_above() const {
    const std::string digests = above.str();
    std::vector<CaDigests> out;
    for (std::size_t at = 0; at + 2 * kDigestBytes <= digests.size(); at += 2 * kDigestBytes) {
        out.push_back({digests.substr(at, kDigestBytes), digests.substr(at + kDigestBytes, kDigestBytes)});
    }
    return out;
}

void Sightings::release_pages() noexcept {
#ifdef MADV_REMOVE
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* begin = certificates_.data();
    std::size_t size = sizeof certificates_;
    if (std::align(page, page, begin, size) != nullptr) madvise(begin, size / page * page, MADV_REMOVE);
#endif
}

std::size_t Sightings::number_of(std::uint64_t key, std::string_view name) noexcept {
    for (std::size_t i = 0; i < kPlaces; ++i) {
        std::atomic<std::uint32_t>& place = places_[(key + i) % kPlaces];
        std::uint32_t found = place.load(std::memory_order_acquire);
        if (found == 0) {
            if (taken_.load(std::memory_order_relaxed) >= kCountedPartners) return kOthers;
            const std::uint32_t number = taken_.fetch_add(1, std::memory_order_relaxed);
            if (number >= kCountedPartners) return kOthers;
            partners_[number].name.write(FixedText<64>(name));
            partners_[number].key.store(key, std::memory_order_release);
            if (place.compare_exchange_strong(found, number + 1, std::memory_order_acq_rel)) return number;
            // Another was faster, perhaps with the same partner: this number stays unused.
            partners_[number].key.store(0, std::memory_order_release);
        }
        if (partners_[found - 1].key.load(std::memory_order_acquire) == key) return found - 1;
    }
    return kOthers;
}

std::vector<Sightings::Seen> Sightings::all() const {
    std::vector<Seen> out;
    for (std::size_t i = 0; i < kCountedPartners; ++i) {
        if (partners_[i].key.load(std::memory_order_acquire) == 0) continue;
        const auto name = partners_[i].name.read();
        if (name) out.push_back({i, name->str(), partners_[i].last.read()});
    }
    return out;
}

}  // namespace mtls
