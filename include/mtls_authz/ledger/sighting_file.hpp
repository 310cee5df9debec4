// Sightings in a file, so that a server that is started anew still shows who was seen. Telemetry alone: nothing decides
// by it, and where it cannot be read, it is as if nobody had been seen.
#pragma once

#include <cstdint>
#include <string>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/ledger/sightings.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls {

constexpr std::size_t kMostSightingBytes = 64UL << 20;

// Lines of ASCII: what it is, and since when partners are watched; one for each certificate; how many that were.
std::string sightings_text(const Sightings& sightings, std::int64_t watched_since);

// Adds what is in such a text to `sightings`, where nothing newer is known; returns since when partners are watched.
// Nothing is added where any line is another than sightings_text() writes, and no partner that `policy`, unless null,
// does not have.
Result<std::int64_t> restore_sightings(const std::string& text, const Policy* policy, Sightings& sightings);

// Puts the text into the place of the file, whole or not at all. Returns what is wrong, or "".
std::string write_sightings(const std::string& path, const std::string& text);

}  // namespace mtls
