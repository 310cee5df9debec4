// The newest client certificates that the handshake turned away, for people: in memory that all processes share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls {

// Texts of certificates: as they are, not escaped.
struct RefusedHandshake {
    std::int64_t time = 0;  // seconds since the epoch
    HandshakeRefusal reason = HandshakeRefusal::kOther;
    FixedText<200> claimed;  // names of partners, comma-separated; or empty
    FixedText<160> detail;   // OpenSSL's words
    FixedText<160> subject;
    FixedText<160> issuer;
    FixedText<160> san;
    FixedText<64> client;  // its address, or empty
    FixedText<64> sha256;  // hex
};

class RefusedHandshakes {
public:
    // Neither waits nor allocates. The same certificate refused once more takes its own place, else the oldest goes:
    // among those that name a partner, or among all others, so that strangers push out only strangers.
    void add(const RefusedHandshake& refused) noexcept;
    std::vector<RefusedHandshake> newest() const;  // newest first

private:
    static constexpr std::size_t kKept = 16;  // of each
    using Ring = std::array<SharedRecord<RefusedHandshake>, kKept>;
    Ring of_partners_{};
    Ring of_strangers_{};
};

}  // namespace mtls
