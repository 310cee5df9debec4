// Types of attributes that stand in names: a closed table, the same with every version of OpenSSL. OpenSSL's own list
// of names holds digests, algorithms and extensions as well, which no subject has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtls {

// The dotted OID of a type of the table (in any case, long names and `E` and `S` too), or of any dotted OID.
std::optional<std::string> attribute_oid(std::string_view type);

// What attribute_oid() reads back to the same: the table's name, or the dotted OID.
std::string attribute_name(const std::string& oid);

// Where the table has this OID, and which it has there: what a policy keeps of the most common ones.
std::optional<std::size_t> attribute_place(std::string_view oid);
std::string_view attribute_oid_at(std::size_t place);  // empty where there is none

// For a word that means something else: what it is and what to use instead, as a clause; "" for any other word.
std::string what_to_use_instead_of(std::string_view word);

}  // namespace mtls
