#include "mtls_authz/certificate/decoded_certificates.hpp"

#include <cstdint>
#include <cstring>

namespace mtls {

X509Ptr decode_exactly(std::string_view der) {
    const ErrorQueueGuard errors;
    std::string_view rest = der;
    X509Ptr out = take_x509(rest);
    if (out && encode(i2d_X509, *out) != der) return nullptr;
    return out;
}

X509Ptr DecodedCertificates::get(std::string_view sha256, std::string_view der) {
    std::uint64_t first = 0;
    std::memcpy(&first, sha256.data(), sizeof first);
    Slot& slot = slots_[first % slots_.size()];
    {
        const std::lock_guard lock(mutex_);
        const std::string_view cached(slot.sha256.data(), slot.sha256.size());
        if (slot.certificate && cached == sha256) return share(*slot.certificate);
    }
    const ErrorQueueGuard errors;
    X509Ptr decoded = decode_exactly(der);
    if (!decoded) return nullptr;
    // Fills OpenSSL's cache of decoded extensions before other threads share the certificate.
    X509_check_purpose(decoded.get(), -1, 0);
    X509Ptr kept = share(*decoded);
    const std::lock_guard lock(mutex_);
    sha256.copy(slot.sha256.data(), slot.sha256.size());
    slot.certificate.swap(kept);
    return decoded;
}

}  // namespace mtls
