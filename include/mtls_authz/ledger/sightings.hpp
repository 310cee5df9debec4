// Which partners were seen, when, and with which certificates. Lives in memory that all processes share.
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
    std::int64_t not_before = 0;  // of that certificate
    std::int64_t not_after = 0;
    bool is_purpose_waived = false;  // it was made for servers alone (MTLSPurpose)
    FixedText<160> subject;          // RFC 4514 text, as it stands in the certificate: not escaped
    FixedText<64> serial;
    FixedText<64> sha256;        // hex
    FixedText<32> key = {};      // kind of its public key: "EC:P-256", "ML-DSA-65"
    FixedText<160> issuer = {};  // as `subject`
    FixedText<160> san = {};     // "DNS:api.acme.example,...", as san_text() has it

    static Sighting of(const CertificateFacts& facts, bool is_purpose_waived, std::int64_t now);
};

// That certificate itself, to ask what a new revocation hits.
struct SeenCertificate {
    // RFC 5280 sets no limit: a longer one is not kept. One of ML-DSA-87 has 8 kB, one under SLH-DSA-SHA2-128s 10.
    static constexpr std::size_t kMostLeafBytes = 12288;
    static constexpr std::size_t kMostAbove = 6;
    static constexpr std::size_t kDigestBytes = 32;
    FixedText<kMostLeafBytes> leaf;                  // DER
    FixedText<kMostAbove * 2 * kDigestBytes> above;  // of each CA between it and the anchor: its SHA-256, its key's

    static std::optional<SeenCertificate> of(X509& leaf, const std::vector<X509Ptr>& intermediates);
    X509Ptr decode_leaf() const;
    std::vector<CaDigests> decode_above() const;
};

// Gives the first kCountedPartners that are seen a number each, under which they are counted and remembered.
class Sightings {
public:
    static constexpr std::size_t kOthers = kCountedPartners;
    static constexpr std::size_t kCertificates = 4;  // of a partner: the newest ones
    static constexpr std::size_t kWhole = 2;         // of these: with the certificate itself

    // `key`: partner_key() of the name. Neither waits nor allocates.
    std::size_t number_of(std::uint64_t key, std::string_view name) noexcept;
    // Whether this certificate is another one than those that are kept: then keep() it. Nothing happens for kOthers.
    bool see(std::size_t number, const Sighting& sighting) noexcept;
    // The same for what was seen before the server was started: it takes the place of nothing newer.
    bool see_earlier(std::size_t number, const Sighting& sighting) noexcept;
    // The certificate itself, after see(). It takes the place of one that is no longer known, or was seen earlier.
    void keep(std::size_t number, const SeenCertificate& certificate);
    // Whether a revocation in force hits it. Of a certificate that is not kept any more, nothing is noted.
    void mark(std::size_t number, const Sighting& sighting, bool is_revoked) noexcept;

    // Nothing where it is not kept. Which may be another one by now.
    std::optional<SeenCertificate> certificate(std::size_t number, const Sighting& sighting) const noexcept;
    // Before anything is seen: the pages that certificates will lie in are given back, and read as zeros until then.
    void release_pages() noexcept;

    struct SeenWith {
        Sighting sighting;
        bool is_revoked = false;
    };
    struct Seen {
        std::size_t number;
        std::string name;
        std::optional<Sighting> last;
        std::vector<SeenWith> certificates;  // newest first
    };
    // In the order in which they were seen first.
    std::vector<Seen> all() const;
    // Numbers at and above this one were never given out.
    std::size_t taken() const noexcept;

private:
    // Of one certificate. What marks it holds its key, so that a mark ends with it.
    struct Place {
        std::atomic<std::uint64_t> key{0};  // 0: free
        std::atomic<std::uint64_t> revoked{0};
        std::atomic<std::uint32_t> turn{0};  // of two that were seen in the same second, the later one has more
        SharedRecord<Sighting> sighting;
    };
    struct Partner {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<FixedText<64>> name;
        std::atomic<std::uint32_t> turns{0};
        std::array<Place, kCertificates> places;
    };
    // Apart from Partner: most of it is never touched.
    struct Whole {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<SeenCertificate> certificate;
    };
    std::size_t place_with(std::size_t number, std::uint64_t key) const noexcept;
    std::size_t oldest_place(std::size_t number) const noexcept;
    void write(std::size_t number, std::size_t place, std::uint64_t key, const Sighting& sighting) noexcept;

    static constexpr std::size_t kPlaces = 4096;
    std::atomic<std::uint32_t> taken_{0};
    std::array<std::atomic<std::uint32_t>, kPlaces> places_{};  // 0: free; else a number and 1
    std::array<Partner, kCountedPartners> partners_{};
    std::array<std::array<Whole, kWhole>, kCountedPartners> certificates_{};
};

}  // namespace mtls
