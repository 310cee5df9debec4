// Which signatures this process has verified before: one of P-256 costs a fourteenth of a handshake, and the same
// client comes again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace mtls {

// Remembers SHA-256 digests of what was verified: of a whole path, or of a certificate and the key that signed it. It
// says nothing of dates, purposes, revocation or trust, which are asked every time. Of fixed size: what is new takes
// the place of something old. Thread-safe.
class SignatureMemory {
public:
    static constexpr std::size_t kPlaces = 4096;

    // Raw digests.
    bool knows(std::string_view digest) noexcept;
    void remember(std::string_view digest) noexcept;

private:
    using Digest = std::array<std::uint8_t, 32>;

    std::mutex mutex_;
    std::array<Digest, kPlaces> known_{};  // all zero: of nothing
};

}  // namespace mtls
