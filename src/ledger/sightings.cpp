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

// What tells certificates of one partner apart: two that collide share a place, which only shows one of them.
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

// kCertificates where there is none.
std::size_t Sightings::place_with(std::size_t number, std::uint64_t key) const noexcept {
    const auto& places = partners_[number].places;
    std::size_t i = 0;
    while (i < kCertificates && places[i].key.load(std::memory_order_acquire) != key) ++i;
    return i;
}

std::size_t Sightings::oldest_place(std::size_t number) const noexcept {
    std::size_t out = 0;
    std::int64_t oldest = INT64_MAX;
    for (std::size_t i = 0; i < kCertificates; ++i) {
        const Place& place = partners_[number].places[i];
        const auto sighting = place.sighting.read();
        if (place.key.load(std::memory_order_acquire) == 0 || !sighting) return i;
        if (sighting->seen >= oldest) continue;
        oldest = sighting->seen;
        out = i;
    }
    return out;
}

void Sightings::write(std::size_t number, std::size_t place, std::uint64_t key, const Sighting& sighting) noexcept {
    Partner& partner = partners_[number];
    Place& to = partner.places[place];
    if (!to.sighting.write(sighting)) return;
    to.turn.store(++partner.turns, std::memory_order_relaxed);
    to.key.store(key, std::memory_order_release);
}

bool Sightings::see(std::size_t number, const Sighting& sighting) noexcept {
    if (number >= kOthers) return false;
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t known = place_with(number, key);
    const bool is_new = known == kCertificates;
    write(number, is_new ? oldest_place(number) : known, key, sighting);
    return is_new;
}

bool Sightings::see_earlier(std::size_t number, const Sighting& sighting) noexcept {
    if (number >= kOthers) return false;
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t free = place_with(number, 0);
    if (place_with(number, key) != kCertificates || free == kCertificates) return false;
    write(number, free, key, sighting);
    return true;
}

void Sightings::keep(std::size_t number, const SeenCertificate& certificate) {
    if (number >= kOthers) return;
    const std::string sha256 = mtls::sha256(certificate.leaf.view());
    const std::uint64_t key = certificate_key(hex(bytes_of(sha256)));
    if (place_with(number, key) == kCertificates) return;
    Whole* to = &certificates_[number].front();
    std::uint32_t earliest = UINT32_MAX;
    for (Whole& whole : certificates_[number]) {
        const std::size_t place = place_with(number, whole.key.load(std::memory_order_acquire));
        const bool is_known = whole.key != 0 && place < kCertificates;
        const std::uint32_t turn = is_known ? partners_[number].places[place].turn.load() : 0;
        if (turn >= earliest) continue;
        to = &whole;
        earliest = turn;
    }
    to->key.store(0, std::memory_order_release);
    if (to->certificate.write(certificate)) to->key.store(key, std::memory_order_release);
}

void Sightings::mark(std::size_t number, const Sighting& sighting, bool is_revoked) noexcept {
    const std::uint64_t key = certificate_key(sighting);
    const std::size_t place = number < kOthers ? place_with(number, key) : kCertificates;
    if (place < kCertificates) partners_[number].places[place].revoked.store(is_revoked ? key : 0);
}

std::optional<SeenCertificate> Sightings::certificate(std::size_t number, const Sighting& sighting) const noexcept {
    if (number >= kOthers) return std::nullopt;
    const std::uint64_t key = certificate_key(sighting);
    for (const Whole& whole : certificates_[number]) {
        if (whole.key.load(std::memory_order_acquire) == key) return whole.certificate.read();
    }
    return std::nullopt;
}

std::size_t Sightings::taken() const noexcept {
    return std::min<std::size_t>(taken_.load(std::memory_order_relaxed), kCountedPartners);
}

std::vector<Sightings::Seen> Sightings::all() const {
    std::vector<Seen> out;
    for (std::size_t i = 0; i < taken(); ++i) {
        const Partner& partner = partners_[i];
        if (partner.key.load(std::memory_order_acquire) == 0) continue;
        const auto name = partner.name.read();
        if (!name) continue;
        Seen seen{i, name->str(), {}, {}};
        std::vector<std::pair<std::uint32_t, SeenWith>> found;
        for (const Place& place : partner.places) {
            const std::uint64_t key = place.key.load(std::memory_order_acquire);
            const auto sighting = key != 0 ? place.sighting.read() : std::nullopt;
            if (sighting) found.push_back({place.turn, {*sighting, place.revoked.load() == key}});
        }
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
            const std::int64_t seen_a = a.second.sighting.seen, seen_b = b.second.sighting.seen;
            return seen_a != seen_b ? seen_a > seen_b : a.first > b.first;
        });
        for (const auto& [turn, known] : found) seen.certificates.push_back(known);
        if (!seen.certificates.empty()) seen.last = seen.certificates.front().sighting;
        out.push_back(std::move(seen));
    }
    return out;
}

}  // namespace mtls
