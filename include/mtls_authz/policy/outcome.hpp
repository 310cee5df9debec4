// The outcome of a request.
#pragma once

#include <array>
#include <string_view>

namespace mtls {

// kWouldDeny: a LogOnly gate allowed a request that it would deny.
enum class Outcome { kAllow, kDeny, kWouldDeny };

// As in MTLS_DECISION, the metrics and the audit log.
constexpr std::array<std::string_view, 3> kOutcomes = {"allow", "deny", "would-deny"};
constexpr std::string_view word_of(Outcome outcome) { return kOutcomes[static_cast<std::size_t>(outcome)]; }

}  // namespace mtls
