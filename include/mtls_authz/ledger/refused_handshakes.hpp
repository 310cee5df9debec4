// The newest client certificates that the handshake refused, for the status page: in memory that all processes share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mtls_authz/base/shared_record.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls {

// Texts from certificates are not escaped.
struct RefusedHandshake {
    std::int64_t time = 0;  // seconds since the epoch
    HandshakeRefusal reason = HandshakeRefusal::kOther;
    FixedText<200> claimed;  // names of partners, comma-separated; or empty
    FixedText<160> detail;   // OpenSSL's error text
    FixedText<160> at;       // subject of the certificate that failed
    FixedText<160> subject;
    FixedText<160> issuer;
    FixedText<160> san;
    FixedText<64> client;        // its address, or empty
    FixedText<64> sha256;        // hex
    FixedText<400> advice = {};  // for advice_for(); or empty
};

class RefusedHandshakes {
public:
    // Lock-free, no allocation. Replaces the entry of the same certificate, else the oldest of its ring: certificates
    // that claim a partner have their own ring, so that other clients cannot evict them.
    void add(const RefusedHandshake& refused) noexcept;
    std::vector<RefusedHandshake> newest() const;  // newest first

private:
    static constexpr std::size_t kKept = 16;  // of each ring
    using Ring = std::array<SharedRecord<RefusedHandshake>, kKept>;
    Ring of_partners_{};
    Ring of_strangers_{};
};

}  // namespace mtls
