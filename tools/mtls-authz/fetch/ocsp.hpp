// OCSP (RFC 6960): a request about one certificate, and an answer that is accepted only from the certificate's issuer
// or a responder that the issuer certified.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

// How far the clock of a CA may be ahead of this machine's.
constexpr std::int64_t kClockSkew = 300;  // seconds

// DER of a request for one serial number (hex, as in CertificateFacts), without a nonce, so that pre-produced answers
// are accepted. Empty if the serial is invalid.
std::string ocsp_request(const X509& issuer, const std::string& serial);

struct OcspAnswer {
    enum class Status { kGood, kRevoked, kUnknown };
    Status status = Status::kUnknown;
    std::int64_t this_update = 0;
    std::int64_t next_update = 0;  // 0: none
    std::int64_t revoked_at = 0;
    std::string reason;  // of kRevoked, spelled as in RFC 5280; empty: none
    bool is_on_hold() const { return reason == "certificateHold"; }
};
// Verifies a response: its status; its signature by `issuer`, or by a responder with a certificate that `issuer`
// signed, with OCSPSigning (RFC 6960 4.2.2.2), valid, and with keys and digests of at least 112 bits; the certificate's
// id; and thisUpdate and nextUpdate, with 300 s of skew, and at most a day after thisUpdate without nextUpdate. Not
// checked: revocation of the responder's certificate.
Result<OcspAnswer> read_ocsp_answer(const std::string& der, const X509& issuer, const std::string& serial,
                                    std::int64_t now);

}  // namespace mtls::tool
