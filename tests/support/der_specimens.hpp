// Hand-written DER, and a specimen of each extension that the module reads.
#pragma once

#include <string>
#include <vector>

#include "pki.hpp"

namespace test {

constexpr int kDirectoryName = 0xa4;  // tag of this GeneralName

// Tag, length, content; up to 255 bytes of content.
std::string tlv(int tag, const std::string& content);
std::string oid(const char* dotted);

// Each extension that a selector or the path check reads, with a valid value.
std::vector<RawExtension> known_extensions();

// A certificate with exactly these extensions. Its signature is invalid.
Identity issue_with_only(std::vector<RawExtension> extensions, const Identity& issuer);

}  // namespace test
