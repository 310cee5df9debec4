// Attribute types of distinguished names: a closed table, independent of the OpenSSL version. OpenSSL's own table of
// names also contains digests, algorithms and extensions, which never occur in a subject.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtls {

// The dotted OID for a type name of the table (case-insensitive; long names, `E` and `S` too), or for any dotted OID.
std::optional<std::string> attribute_oid(std::string_view type);

// The inverse of attribute_oid(): the name in the table, else the dotted OID.
std::string attribute_name(const std::string& oid);

// The index of an OID in the table, if it is there; a policy stores the index instead of the OID.
std::optional<std::size_t> attribute_index(std::string_view oid);
std::string_view attribute_oid_at(std::size_t place);  // empty beyond the table

// For a word that is not an attribute type but has another meaning: a clause with its meaning and the selector to use
// instead; "" for any other word.
std::string what_to_use_instead_of(std::string_view word);

}  // namespace mtls
