// What children report to the keeper for events: in memory that all processes share.
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

// A hash of these texts, different for each cause that is reported once; never 0.
std::uint64_t cause_of(std::initializer_list<std::string_view> parts);

// A certificate that claims a partner, but whose issuer is not one of the partner's CAs.
struct UnknownIssuer {
    std::int64_t time = 0;  // seconds since the epoch
    std::uint64_t cause = 0;
    FixedText<200> claimed;  // names of partners, comma-separated
    FixedText<32> reason;    // of the denial, or of the refused handshake
    FixedText<160> subject;  // as in the certificate: not escaped
    FixedText<160> issuer;
    FixedText<64> sha256;  // hex

    // The cause is a hash of the claimed partners, the issuer's name and the issuer's key identifier.
    static UnknownIssuer of(const CertificateFacts& facts, const std::string& claimed, std::string_view reason,
                            std::int64_t now);
};

// What an UnknownIssuer may mean, and what the administrator is to do.
constexpr const char* kUnknownIssuerAdvice =
    "an unannounced change of CA (ask the partner, by means other than the certificate, and add the CA with "
    "MTLSTrustAnchor), a client that leaves its intermediates out, or an attack";

class Incidents {
public:
    // Lock-free, no allocation. Overwrites the oldest entry.
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
