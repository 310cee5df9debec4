// The troubles on the status page: the conditions of the events, and those that only the page shows.
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

// In the order in which the page shows them.
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
    bool is_urgent;         // it already causes refusals, or new files are not in force
};
extern const std::array<TroubleText, 11> kTroubles;  // all kinds, in the order of TroubleKind
const TroubleText& text_of(TroubleKind kind);

// Texts from certificates and files are not escaped.
struct Trouble {
    TroubleKind kind = TroubleKind::kNoPolicy;
    std::string what;                     // the file, partner or issuer
    std::string headline;                 // the problem
    std::string advice;                   // the consequence, or what to do
    std::string partner = {};             // the partner's name, if one is concerned
    std::string contact = {};             // the partner's MTLSContact
    std::int64_t time = 0;                // of the newest occurrence, or the start; 0: not known
    std::vector<std::string> lines = {};  // findings, or facts about the certificate
};

struct Troubles {
    static constexpr std::size_t kShown = 20;  // of each kind
    std::vector<Trouble> shown;
    std::array<std::size_t, kTroubles.size()> counts{};  // of each kind, shown or not
    std::size_t total() const;
};

// `snapshot` may be empty. Refused handshakes and unknown issuers count for a day, or until the same certificate is
// granted; all that claim the same partner are one trouble.
Troubles find_troubles(const Ledger& ledger, const SnapshotReader& snapshot, const LateRule& late, bool keeper_is_up,
                       std::int64_t now);

}  // namespace mtls
