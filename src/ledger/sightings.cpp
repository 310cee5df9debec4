#include "mtls_authz/ledger/sightings.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/ledger/log_limiter.hpp"

namespace mtls {

namespace {

// Identifies a certificate within one partner: on a collision, two share an entry and only one is shown.
std::uint64_t certificate_key(std::string_view sha256) {
    const std::uint64_t key = mixed(1, sha256);
    return key != 0 ? key : 1;
}
std::uint64_t certificate_key(const Sighting& sighting) { return certificate_key(sighting.sha256.view()); }

}  // namespace

Sighting Sighting::of(const CertificateFacts& facts, bool is_purpose_waived, std::int64_t now) {
    constexpr std::size_t kMostNames = 160;
    return {now,
            facts.not_before,
            facts.not_after,
            is_purpose_waived,
            facts.subject.text(),
            facts.serial,
            hex(bytes_of(facts.sha256)),
            facts.key.text(),
            facts.issuer.text(),
            san_text(facts, kMostNames)};
}

std::optional<SeenCertificate> SeenCertificate::of(X509& leaf, const std::vector<X509Ptr>& intermediates,
                                                   const std::vector<CaDigests>& digests) {
    std::string chain = encode(i2d_X509, leaf);
    if (chain.size() > kMostBytes) return std::nullopt;
    std::string above;
    for (std::size_t i = 0; i < std::min(intermediates.size(), kMostAbove); ++i) {
        above += digests[i].sha256 + digests[i].spki_sha256;
        const std::string der = encode(i2d_X509, *intermediates[i]);
        if (chain.size() + der.size() <= kMostBytes) chain += der;
    }
    return SeenCertificate{chain, above};
}

std::string_view SeenCertificate::leaf() const {
    const auto first = DerReader(chain.view()).next(kDerSequence);
    return first ? first->encoding : std::string_view();
}

std::vector<X509Ptr> SeenCertificate::decode() const {
    const ErrorQueueGuard errors;
    const std::string all = chain.str();
    std::string_view der = all;
    std::vector<X509Ptr> out;
    while (!der.empty()) {
        X509Ptr certificate = take_x509(der);
        if (!certificate) return {};
        out.push_back(std::move(certificate));
    }
    return out;
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
    for (std::size_t i = 0; i < kIndexSlots; ++i) {
        std::atomic<std::uint32_t>& slot = index_[(key + i) % kIndexSlots];
        std::uint32_t found = slot.load(std::memory_order_acquire);
        if (found == 0) {
            if (taken_.load(std::memory_order_relaxed) >= kCountedPartners) return kOthers;
            const std::uint32_t number = taken_.fetch_add(1, std::memory_order_relaxed);
            if (number >= kCountedPartners) return kOthers;
            partners_[number].name.write(FixedText<64>(name));
            partners_[number].key.store(key, std::memory_order_release);
            if (slot.compare_exchange_strong(found, number + 1, std::memory_order_acq_rel)) return number;
            // Another thread took this entry, perhaps for the same partner: this number stays unused.
            partners_[number].key.store(0, std::memory_order_release);
        }
        if (partners_[found - 1].key.load(std::memory_order_acquire) == key) return found - 1;
    }
    return kOthers;
}

// kCertificates if there is none.
std::size_t Sightings::entry_with(std::size_t number, std::uint64_t key) const noexcept {
    const auto& entries = partners_[number].entries;
    std::size_t i = 0;
    while (i < kCertificates && entries[i].key.load(std::memory_order_acquire) != key) ++i;
    return i;
}

std::size_t Sightings::oldest_entry(std::size_t number) const noexcept {
    std::size_t out = 0;
    std::int64_t oldest = INT64_MAX;
    for (std::size_t i = 0; i < kCertificates; ++i) {
        const CertificateEntry& entry = partners_[number].entries[i];
        const auto sighting = entry.sighting.read();
        if (entry.key.load(std::memory_order_acquire) == 0 || !sighting) return i;
        if (sighting->seen >= oldest) continue;
        oldest = sighting->seen;
        out = i;
    }
    return out;
}

void Sightings::write(std::size_t number, std::size_t entry, std::uint64_t key, const Sighting& sighting) noexcept {
    PartnerEntry& partner = partners_[number];
    CertificateEntry& to = partner.entries[entry];
    if (!to.sighting.write(sighting)) return;
    to.turn.store(++partner.turns, std::memory_order_relaxed);
    to.key.store(key, std::memory_order_release);
}

bool Sightings::see(std::size_t number, const Sighting& sighting) noexcept {
    if (number >= kOthers) return false;
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t entry = entry_with(number, key);
    const bool is_new = entry == kCertificates;
    write(number, is_new ? oldest_entry(number) : entry, key, sighting);
    return is_new;
}

bool Sightings::see_earlier(std::size_t number, const Sighting& sighting) noexcept {
    if (number >= kOthers) return false;
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t free = entry_with(number, 0);
    if (entry_with(number, key) != kCertificates || free == kCertificates) return false;
    write(number, free, key, sighting);
    return true;
}

void Sightings::keep(std::size_t number, const Sighting& sighting, const SeenCertificate& certificate) noexcept {
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t entry = number < kOthers ? entry_with(number, key) : kCertificates;
    if (entry == kCertificates) return;
    StoredCertificate& to = certificates_[number][entry];
    to.key.store(0, std::memory_order_release);
    if (to.certificate.write(certificate)) to.key.store(key, std::memory_order_release);
}

void Sightings::mark(std::size_t number, const Sighting& sighting, std::optional<bool> is_revoked) noexcept {
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t entry = number < kOthers ? entry_with(number, key) : kCertificates;
    if (entry < kCertificates)
        partners_[number].entries[entry].revoked.store(!is_revoked ? 0 : is_revoked.value() ? key : ~key);
}

std::optional<SeenCertificate> Sightings::certificate(std::size_t number, const Sighting& sighting) const noexcept {
    if (number >= kOthers) return std::nullopt;
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t entry = entry_with(number, key);
    if (entry == kCertificates) return std::nullopt;
    const StoredCertificate& stored = certificates_[number][entry];
    return stored.key.load(std::memory_order_acquire) == key ? stored.certificate.read() : std::nullopt;
}

std::size_t Sightings::taken() const noexcept {
    return std::min<std::size_t>(taken_.load(std::memory_order_relaxed), kCountedPartners);
}

std::vector<Sightings::Seen> Sightings::all() const {
    std::vector<Seen> out;
    for (std::size_t i = 0; i < taken(); ++i) {
        const PartnerEntry& partner = partners_[i];
        if (partner.key.load(std::memory_order_acquire) == 0) continue;
        const auto name = partner.name.read();
        if (!name) continue;
        Seen seen{i, name->str(), {}, {}};
        std::vector<std::pair<std::uint32_t, SeenWith>> found;
        for (const CertificateEntry& entry : partner.entries) {
            const std::uint64_t key = entry.key.load(std::memory_order_acquire);
            const auto sighting = key != 0 ? entry.sighting.read() : std::nullopt;
            if (!sighting) continue;
            const std::uint64_t revoked = entry.revoked.load();
            const bool is_known = revoked == key || revoked == ~key;
            found.push_back({entry.turn, {*sighting, is_known ? std::optional(revoked == key) : std::nullopt}});
        }
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
            const std::int64_t seen_a = a.second.sighting.seen, seen_b = b.second.sighting.seen;
            return seen_a != seen_b ? seen_a > seen_b : a.first > b.first;
        });
        for (const auto& [turn, certificate] : found) seen.certificates.push_back(certificate);
        if (!seen.certificates.empty()) seen.last = seen.certificates.front().sighting;
        out.push_back(std::move(seen));
    }
    return out;
}

}  // namespace mtls
