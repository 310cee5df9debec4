// Saves sightings in a file, so that a restarted server still shows which partners were seen. Telemetry only: no
// decision depends on it, and an unreadable file counts as empty.
#pragma once

#include <cstdint>
#include <string>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls {

constexpr std::size_t kMostSightingBytes = 128UL << 20;

// Lines of ASCII: a title with `watched_since`, one line per certificate, and a last line with their number.
std::string sightings_text(const Sightings& sightings, std::int64_t watched_since);

// Adds the text's sightings to `sightings` unless they are newer there; returns its `watched_since`. Adds nothing if
// any line differs from the form of sightings_text(), and skips partners that `policy` does not have (null: adds all).
Result<std::int64_t> restore_sightings(const std::string& text, const Policy* policy, Sightings& sightings);

// Replaces the file atomically. Returns the error, or "".
std::string write_sightings(const std::string& path, const std::string& text);

}  // namespace mtls
