// Names of partners and groups.
#pragma once

#include <cstdint>
#include <string_view>

namespace mtls {

// Whether this is a valid name of a partner or group: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
bool is_valid_name(std::string_view name);
// Whether no partner may have this name, in any case: directives have it as a word.
bool is_reserved_name(std::string_view name);

// The lookup key of a partner: the first 8 bytes of the SHA-256 of its name, never 0.
std::uint64_t partner_key(std::string_view name);

}  // namespace mtls
