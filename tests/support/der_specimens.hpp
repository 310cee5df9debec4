// Encodings written by hand, and one of each extension that the module reads.
#pragma once

#include <string>
#include <vector>

#include "pki.hpp"

namespace test {

constexpr int kDirectoryName = 0xa4;  // tag of that GeneralName

// Tag, length, content: up to 255 bytes.
std::string tlv(int tag, const std::string& content);
std::string oid(const char* dotted);

// Each extension that a selector or the path check reads, with a value that is DER.
std::vector<RawExtension> known_extensions();

// A certificate with these extensions and no other. Its signature is not good.
Identity issue_with_only(std::vector<RawExtension> extensions, const Identity& issuer);

}  // namespace test
