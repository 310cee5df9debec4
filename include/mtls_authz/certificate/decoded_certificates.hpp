// A cache of the policy's certificates that this process decoded recently. The policy holds them as DER, which all
// processes share; OpenSSL's decoded form is ten times as large and private to the process.
#pragma once

#include <array>
#include <mutex>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// A direct-mapped cache of fixed size: a new entry evicts the old one in its slot. Thread-safe.
class DecodedCertificates {
public:
    static constexpr std::size_t kSlots = 4096;

    // `sha256`: raw, of `der`. Throws std::bad_alloc if it cannot be decoded: the builder decoded the same bytes, so
    // only memory can be exhausted.
    X509Ptr get(std::string_view sha256, std::string_view der);

private:
    struct Slot {
        std::array<char, 32> sha256{};
        X509Ptr certificate;
    };
    std::mutex mutex_;
    std::array<Slot, kSlots> slots_;
};

}  // namespace mtls
