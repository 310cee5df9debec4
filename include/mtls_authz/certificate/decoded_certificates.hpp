// A cache of certificates that this process decoded recently, as one decodes in 1.5 million instructions. The policy
// holds its own as DER, which all processes share; OpenSSL's decoded form is ten times as large and private to the
// process. TLS sessions hold their intermediates as DER, too.
#pragma once

#include <array>
#include <mutex>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"

namespace mtls {

// Null if `der` is not the whole encoding of a certificate as OpenSSL writes it: only then are both of one digest.
X509Ptr decode_exactly(std::string_view der);

// A direct-mapped cache of fixed size: a new entry evicts the old one in its slot. Thread-safe.
class DecodedCertificates {
public:
    explicit DecodedCertificates(std::size_t slots) : slots_(slots) {}

    // `sha256`: raw, of `der`. Null as decode_exactly().
    X509Ptr get(std::string_view sha256, std::string_view der);

private:
    struct Slot {
        std::array<char, 32> sha256{};
        X509Ptr certificate;
    };
    std::mutex mutex_;
    std::vector<Slot> slots_;
};

}  // namespace mtls
