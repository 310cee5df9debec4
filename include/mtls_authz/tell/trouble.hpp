// What needs a person now: the same that events are found in, and what only a page that is looked at can say.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// In the order in which they are shown.
enum class TroubleKind {
    kNoPolicy,
    kKeeperDown,
    kPolicyRefused,
    kRefusalSourceGone,
    kRefusalLineBad,
    kHandshakeRefused,
    kUnknownIssuer,
    kCrlOverdue,
    kCertificateLate,
    kPurposeEnds,
    kAnchorLate,
};
struct TroubleText {
    TroubleKind kind;
    std::string_view word;  // as in JSON and the metrics
    bool is_urgent;         // something is refused or not taken already
};
extern const std::array<TroubleText, 11> kTroubles;  // all of them, by kind
const TroubleText& text_of(TroubleKind kind);

// Texts of certificates and files: as they are, not escaped.
struct Trouble {
    TroubleKind kind = TroubleKind::kNoPolicy;
    std::string what;                     // the file, partner or issuer
    std::string headline;                 // what is wrong with it
    std::string advice;                   // what that means, or what to do
    std::string partner = {};             // one of the policy, where it is one's
    std::string contact = {};             // the partner's MTLSContact
    std::int64_t time = 0;                // of the newest, or since when; 0: not known
    std::vector<std::string> lines = {};  // findings, or what is known of the certificate
};

struct Troubles {
    static constexpr std::size_t kShown = 20;  // of each kind
    std::vector<Trouble> shown;
    std::array<std::size_t, kTroubles.size()> counts{};  // in all
    std::size_t total() const;
};

// `snapshot` may see nothing. Refused handshakes and unknown issuers count for a day, or until the same certificate is
// let in; those that claim the same partner are one trouble.
Troubles find_troubles(const Ledger& ledger, const SnapshotReader& snapshot, const LateRule& late, bool keeper_is_up,
                       std::int64_t now);

}  // namespace mtls
