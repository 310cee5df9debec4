// Names and numbers of object identifiers, as OpenSSL knows them, in any case.
#pragma once

#include <openssl/asn1.h>

#include <optional>
#include <string>
#include <string_view>

namespace mtls {

// The dotted form of a name that OpenSSL knows (short or long, any case) or of a dotted OID; nothing for
// others. `E` is emailAddress, `S` is ST, `DN qualifier` and the like are not invented.
std::optional<std::string> oid_from_text(std::string_view text);

// OpenSSL's short name, or the dotted form where it has none.
std::string oid_name(const std::string& dotted);

std::string oid_dotted(const ASN1_OBJECT& object);

}  // namespace mtls
