// The policy's certificates that this process has decoded lately: in a policy they lie as DER, which all processes
// share, while what OpenSSL makes of one is ten times as large and each process's own.
#pragma once

#include <array>
#include <mutex>
#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// Of fixed size: what is new takes the place of something old. Thread-safe.
class DecodedCertificates {
public:
    static constexpr std::size_t kPlaces = 4096;

    // `sha256`: raw, of `der`. std::bad_alloc where it cannot be decoded: it was before, so only memory can be missing.
    X509Ptr get(std::string_view sha256, std::string_view der);

private:
    struct Place {
        std::array<char, 32> sha256{};
        X509Ptr certificate;
    };
    std::mutex mutex_;
    std::array<Place, kPlaces> places_;
};

}  // namespace mtls
