// Request headers by which frameworks take another method or path than the request's own.
#pragma once

#include <string_view>

#include "mtls_authz/text.hpp"

namespace mtls {

enum class Overrides { kNothing, kMethod, kPath };

// Whether a header that begins so could be one: an x is the first letter of all.
constexpr bool may_override(char first) { return to_lower(first) == 'x' || !is_alnum(first); }

// What a backend may let this header override. Names are the same where their letters and digits are, whatever their
// case: CGI turns `-` into `_`, some servers drop what they do not know. Never throws.
Overrides overrides(std::string_view header) noexcept;

}  // namespace mtls
