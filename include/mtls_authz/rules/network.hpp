// IP addresses and CIDR blocks, IPv4 and IPv6.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// An address as raw bytes, 4 or 16, or nothing of what cannot be read.
std::string address_from_text(const std::string& text);
// The IPv4 address in an IPv4-mapped one (RFC 4291 2.5.5.2), as a socket for both gives it; other addresses as they
// are.
std::string_view without_mapping(std::string_view raw);

// The network of an address, in raw bytes.
std::string masked(std::string_view raw, unsigned prefix);

// One CIDR block, or one address. Trivially copyable: it lies in a policy.
class Network {
public:
    // "203.0.113.0/24", "2001:db8::1". Host bits have to be zero. The error says what would be right.
    static Result<Network> parse(std::string_view text);

    // `raw`: 4 or 16 bytes. IPv4 and IPv6 never contain each other.
    bool contains(std::string_view raw) const;
    // The raw bytes of its first address.
    std::string_view base() const { return {base_.data(), size_}; }
    unsigned prefix() const { return prefix_; }  // bits
    std::string text() const;

private:
    std::array<char, 16> base_{};
    unsigned size_ = 0;
    unsigned prefix_ = 0;
};

// "203.0.113.0/24 2001:db8::1"
std::string texts_of(std::span<const Network> networks);

}  // namespace mtls
