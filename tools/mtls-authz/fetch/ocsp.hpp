// OCSP (RFC 6960): a question about one certificate, and an answer that is believed only where the certificate's issuer
// gave it, or a responder that this one certified for that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

// DER of a request about one serial number (hex, as CertificateFacts has it), without a nonce: answers made in advance
// count. Empty where the serial cannot be one.
std::string ocsp_request(const X509& issuer, const std::string& serial);

struct OcspAnswer {
    enum class Status { kGood, kRevoked, kUnknown };
    Status status = Status::kUnknown;
    std::int64_t this_update = 0;
    std::int64_t next_update = 0;  // 0: none
    std::int64_t revoked_at = 0;
    std::string reason;  // of kRevoked: as RFC 5280 spells it; empty: none
    bool is_on_hold() const { return reason == "certificateHold"; }
};
// Verifies a response: its status, the signature by `issuer` or by a responder with a certificate that `issuer` itself
// signed, with OCSPSigning (RFC 6960 4.2.2.2), current and with keys and digests of 112 bits; that it is about this
// certificate; and its thisUpdate and nextUpdate, with five minutes of skew, and at most a day since thisUpdate where
// there is no nextUpdate. Whether the responder's own certificate is revoked is not asked.
Result<OcspAnswer> read_ocsp_answer(const std::string& der, const X509& issuer, const std::string& serial,
                                    std::int64_t now);

}  // namespace mtls::tool
