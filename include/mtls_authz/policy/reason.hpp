// The reason of a decision. The words are an API: they never change meaning.
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
    std::string_view word;      // in the log and in MTLS_REASON
    std::string_view sentence;  // the probable cause and the remedy, for an administrator at 3 a.m.
};

// Details of not-allowed: the MTLSDeny at gate= fits; or the gate asks for grants, and none fits the path.
constexpr std::string_view kDetailDeny = "MTLSDeny";
constexpr std::string_view kDetailByGrant = "by-grant";
// How the detail of a denial ends where an accepted front itself was the caller.
constexpr std::string_view kSentNone = " sent no certificate of its client";
// How it ends where a method was asked for in another case, as `get`.
constexpr std::string_view kInOtherCase = ": clients have to write it so";

// Whether directive= is a `Require not ...`, which refuses those whom it names.
bool is_negated_requirement(std::string_view directive);

const ReasonText& text_of(Reason reason);
// The sentence for a denial with this reason, detail= and directive=. If OpenSSL rejected the path to the partner's
// anchor for a cause other than a foreign issuer (a weak key, a missing purpose), the sentence is about that cause.
std::string_view advice_for(Reason reason, std::string_view detail, std::string_view directive = {});
inline std::string_view word_of(Reason reason) { return text_of(reason).word; }

constexpr std::size_t kReasonCount = 23;
// In the order of the checks, indexed by Reason.
extern const std::array<ReasonText, kReasonCount> kReasons;

}  // namespace mtls
