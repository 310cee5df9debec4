// Why a request is decided as it is. The words are an API: they never change meaning.
#pragma once

#include <array>
#include <string_view>

namespace mtls {

enum class Reason {
    kGranted,
    kBadPath,
    kNestedGate,
    kNoTls,
    kFrontNotTrusted,
    kNoCertificate,
    kMalformedCertificate,
    kExpired,
    kNotYetValid,
    kRevoked,
    kNotVerified,
    kUnknownPartner,
    kWrongIssuer,
    kAmbiguous,
    kRevocationStale,
    kRevocationUnknown,
    kSuspended,
    kOutsideContract,
    kWrongNetwork,
    kNotAllowed,
    kMethodNotGranted,
    kPolicyUnavailable,
    kInternalError,
};

struct ReasonText {
    Reason reason;
    std::string_view word;      // as logged, and in MTLS_REASON
    std::string_view sentence;  // what it may mean and what to do, for an administrator at 3 a.m.
};

const ReasonText& text_of(Reason reason);
inline std::string_view word_of(Reason reason) { return text_of(reason).word; }

constexpr std::size_t kReasonCount = 23;
// All of them, in the order of the checks.
extern const std::array<ReasonText, kReasonCount> kReasons;

}  // namespace mtls
