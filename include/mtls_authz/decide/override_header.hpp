// Request headers by which frameworks take another method or path than the request's own.
#pragma once

#include <array>
#include <string_view>

#include "mtls_authz/base/text.hpp"

namespace mtls {

enum class Overrides { kNothing, kMethod, kPath };

// The bytes that such a header may begin with: an x is the first letter of all.
inline constexpr auto kMayOverride = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < out.size(); ++c) {
        const char first = static_cast<char>(c);
        out[c] = to_lower(first) == 'x' || !is_alnum(first);
    }
    return out;
}();
inline bool may_override(char first) { return kMayOverride[static_cast<unsigned char>(first)]; }

// What a backend may let this header override. Names are the same where their letters and digits are, whatever their
// case: CGI turns `-` into `_`, some servers drop what they do not know. Never throws.
Overrides overrides(std::string_view header) noexcept;

}  // namespace mtls
