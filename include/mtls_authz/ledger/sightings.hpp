// Which partners were seen, when, and with which certificates. In memory that all processes share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/ledger/decision_counters.hpp"

namespace mtls {

// A certificate that a partner was identified by.
struct Sighting {
    std::int64_t seen = 0;        // seconds since the epoch
    std::int64_t not_before = 0;  // of the certificate
    std::int64_t not_after = 0;
    bool is_purpose_waived = false;  // the certificate was made for servers only (MTLSPurpose)
    FixedText<160> subject;          // RFC 4514 text, not escaped
    FixedText<64> serial;
    FixedText<64> sha256;        // hex
    FixedText<32> key = {};      // type of its public key: "EC:P-256", "ML-DSA-65"
    FixedText<160> issuer = {};  // as `subject`
    FixedText<160> san = {};     // "DNS:api.acme.example,...", as san_text() returns it

    static Sighting of(const CertificateFacts& facts, bool is_purpose_waived, std::int64_t now);
};

// The certificate itself, with the intermediates of its path, to test new revocations against them.
struct SeenCertificate {
    // RFC 5280 sets no limit: a longer certificate is not kept. ML-DSA-87 needs 8 kB, SLH-DSA-SHA2-128s 10 kB.
    static constexpr std::size_t kMostBytes = 12288;
    static constexpr std::size_t kMostAbove = 6;
    static constexpr std::size_t kDigestBytes = 32;
    FixedText<kMostBytes> chain;                     // DER: the certificate, then those above it that fit
    FixedText<kMostAbove * 2 * kDigestBytes> above;  // of each CA up to the anchor: its SHA-256, its key's

    // `digests`: of each of the intermediates.
    static std::optional<SeenCertificate> of(X509& leaf, const std::vector<X509Ptr>& intermediates,
                                             const std::vector<CaDigests>& digests);
    // The DER of the certificate itself; empty if `chain` is damaged.
    std::string_view leaf() const;
    // The certificate first; empty if `chain` is damaged.
    std::vector<X509Ptr> decode() const;
    std::vector<CaDigests> decode_above() const;
};

// Assigns a number to each of the first kCountedPartners partners; counters and sightings are stored under it.
class Sightings {
public:
    static constexpr std::size_t kOthers = kCountedPartners;
    static constexpr std::size_t kCertificates = 4;  // newest certificates kept for each partner

    // `key`: partner_key() of the name. Lock-free, no allocation.
    std::size_t number_of(std::uint64_t key, std::string_view name) noexcept;
    // Returns whether the certificate is not kept yet: then call keep(). Does nothing for kOthers.
    bool see(std::size_t number, const Sighting& sighting) noexcept;
    // The same for a sighting from before the server's start: it never replaces a newer one.
    bool see_earlier(std::size_t number, const Sighting& sighting) noexcept;
    // Stores the certificate itself, after see().
    void keep(std::size_t number, const Sighting& sighting, const SeenCertificate& certificate) noexcept;
    // Notes whether a revocation in force matches the certificate; nullopt: not known. Does nothing if its sighting is
    // no longer kept.
    void mark(std::size_t number, const Sighting& sighting, std::optional<bool> is_revoked) noexcept;

    // nullopt if it is not stored. May be another certificate by now: compare its SHA-256.
    std::optional<SeenCertificate> certificate(std::size_t number, const Sighting& sighting) const noexcept;
    // Call it before the first sighting: returns the pages for certificates to the system; they read as zeros until
    // used.
    void release_pages() noexcept;

    struct SeenWith {
        Sighting sighting;
        std::optional<bool> is_revoked = {};  // nullopt: not known, for example as the certificate is not stored
    };
    struct Seen {
        std::size_t number;
        std::string name;
        std::optional<Sighting> last;
        std::vector<SeenWith> certificates;  // newest first
    };
    // In the order of first sighting.
    std::vector<Seen> all() const;
    // Numbers from this one on are unused.
    std::size_t taken() const noexcept;

private:
    // One certificate. `revoked` holds its key if it is revoked, the complement if not: the mark ends with it.
    struct CertificateEntry {
        std::atomic<std::uint64_t> key{0};  // 0: free
        std::atomic<std::uint64_t> revoked{0};
        std::atomic<std::uint32_t> turn{0};  // orders two sightings of the same second: the later one is higher
        SharedRecord<Sighting> sighting;
    };
    struct PartnerEntry {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<FixedText<64>> name;
        std::atomic<std::uint32_t> turns{0};
        std::array<CertificateEntry, kCertificates> entries;
    };
    // Separate from PartnerEntry: most of these pages are never touched.
    struct StoredCertificate {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<SeenCertificate> certificate;
    };
    std::size_t entry_with(std::size_t number, std::uint64_t key) const noexcept;
    std::size_t oldest_entry(std::size_t number) const noexcept;
    void write(std::size_t number, std::size_t entry, std::uint64_t key, const Sighting& sighting) noexcept;

    static constexpr std::size_t kIndexSlots = 4096;
    std::atomic<std::uint32_t> taken_{0};
    std::array<std::atomic<std::uint32_t>, kIndexSlots> index_{};  // 0: free; else number + 1
    std::array<PartnerEntry, kCountedPartners> partners_{};
    std::array<std::array<StoredCertificate, kCertificates>, kCountedPartners> certificates_{};  // as `entries`
};

}  // namespace mtls
