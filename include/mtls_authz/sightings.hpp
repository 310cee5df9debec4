// Which partners were seen, when, and with which certificate. Lives in memory that all processes share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/decision_counters.hpp"
#include "mtls_authz/openssl_types.hpp"
#include "mtls_authz/shared_record.hpp"

namespace mtls {

// The certificate that a partner was last identified by.
struct Sighting {
    std::int64_t seen = 0;        // seconds since the epoch
    std::int64_t not_before = 0;  // of that certificate
    std::int64_t not_after = 0;
    bool is_purpose_waived = false;  // it was made for servers alone (MTLSPurpose)
    FixedText<160> subject;          // RFC 4514 text, as it stands in the certificate: not escaped
    FixedText<64> serial;
    FixedText<64> sha256;    // hex
    FixedText<32> key = {};  // kind of its public key: "EC:P-256", "ML-DSA-65"
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

    // `key`: partner_key() of the name. Neither waits nor allocates.
    std::size_t number_of(std::uint64_t key, std::string_view name) noexcept;
    // Nothing happens for kOthers.
    void see(std::size_t number, const Sighting& sighting) noexcept {
        if (number < kOthers) partners_[number].last.write(sighting);
    }
    // The same for its certificate, when it is another one than before.
    void keep(std::size_t number, const SeenCertificate& certificate) noexcept {
        if (number < kOthers) certificates_[number].write(certificate);
    }
    std::optional<Sighting> last(std::size_t number) const noexcept { return partners_[number].last.read(); }
    std::optional<SeenCertificate> certificate(std::size_t number) const noexcept {
        return certificates_[number].read();
    }
    // Before anything is seen: the pages that certificates will lie in are given back, and read as zeros until then.
    void release_pages() noexcept;

    struct Seen {
        std::size_t number;
        std::string name;
        std::optional<Sighting> last;
    };
    // In the order in which they were seen first.
    std::vector<Seen> all() const;

private:
    struct Partner {
        std::atomic<std::uint64_t> key{0};
        SharedRecord<FixedText<64>> name;
        SharedRecord<Sighting> last;
    };
    static constexpr std::size_t kPlaces = 4096;
    std::atomic<std::uint32_t> taken_{0};
    std::array<std::atomic<std::uint32_t>, kPlaces> places_{};  // 0: free; else a number and 1
    std::array<Partner, kCountedPartners> partners_{};
    std::array<SharedRecord<SeenCertificate>, kCountedPartners> certificates_{};
};

// What a partner is found by: the beginning of the SHA-256 of its name, never 0.
std::uint64_t partner_key(std::string_view name);

}  // namespace mtls
