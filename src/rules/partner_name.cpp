#include "mtls_authz/rules/partner_name.hpp"

#include <algorithm>
#include <cstring>

#include "mtls_authz/base/text.hpp"

namespace mtls {

bool is_valid_name(std::string_view name) {
    constexpr std::size_t kLongest = 64;
    return !name.empty() && name.size() <= kLongest && is_alnum(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_reserved_name(std::string_view name) {
    return equal_nocase(name, "any") || equal_nocase(name, "all") || equal_nocase(name, "none");
}

std::uint64_t partner_key(std::string_view name) {
    std::uint64_t key = 0;
    std::memcpy(&key, sha256(name).data(), sizeof key);
    return key != 0 ? key : 1;
}

}  // namespace mtls
