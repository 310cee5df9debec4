// Request headers by which frameworks replace the method or path of a request.
#pragma once

#include <array>
#include <string_view>

#include "mtls_authz/base/text.hpp"

namespace mtls {

enum class Overrides { kNothing, kMethod, kPath };

// The first bytes of such headers: the first letter of each is an n, p, s or x, after any other characters.
inline constexpr auto kMayOverride = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < out.size(); ++c) {
        for (const char letter : {'n', 'p', 's', 'x'}) out[c] = out[c] || may_begin(static_cast<char>(c), letter);
    }
    return out;
}();
inline bool may_override(char first) { return kMayOverride[static_cast<unsigned char>(first)]; }

// What a backend may replace because of this header. Only letters and digits of the name count, case-insensitively: CGI
// turns `-` into `_`, and some servers drop unusual characters. Never throws.
Overrides overrides(std::string_view header) noexcept;

}  // namespace mtls
