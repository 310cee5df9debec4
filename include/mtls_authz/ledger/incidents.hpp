// What children met that somebody should hear of, for the keeper: in memory that all processes share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

// A number that tells what these texts tell apart, of everything that is told once; never 0.
std::uint64_t cause_of(std::initializer_list<std::string_view> parts);

// A certificate that names a partner, by an issuer that the partner does not have.
struct UnknownIssuer {
    std::int64_t time = 0;  // seconds since the epoch
    std::uint64_t cause = 0;
    FixedText<200> claimed;  // names of partners, comma-separated
    FixedText<32> reason;    // of the denial, or of the refused handshake
    FixedText<160> subject;  // as it stands in the certificate: not escaped
    FixedText<160> issuer;
    FixedText<64> sha256;  // hex

    // The same partners and the same issuer, by its name and its key's identifier, are one cause.
    static UnknownIssuer of(const CertificateFacts& facts, const std::string& claimed, std::string_view reason,
                            std::int64_t now);
};

class Incidents {
public:
    // Neither waits nor allocates. A newer one takes the place of the oldest.
    void add(const UnknownIssuer& incident) noexcept {
        kept_[next_.fetch_add(1, std::memory_order_relaxed) % kKept].write(incident);
    }
    std::vector<UnknownIssuer> all() const;

private:
    static constexpr std::size_t kKept = 64;
    std::atomic<std::uint32_t> next_{0};
    std::array<SharedRecord<UnknownIssuer>, kKept> kept_{};
};

}  // namespace mtls
