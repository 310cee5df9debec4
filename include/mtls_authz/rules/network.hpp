// IP addresses and CIDR blocks, IPv4 and IPv6.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// An address as 4 or 16 raw bytes; empty if `text` is not an address.
std::string address_from_text(const std::string& text);
// The IPv4 address inside an IPv4-mapped one (RFC 4291 2.5.5.2), which dual-stack sockets report; other addresses
// unchanged.
std::string_view without_mapping(std::string_view raw);

// The first `prefix` bits of an address, the rest zero; raw bytes.
std::string masked(std::string_view raw, unsigned prefix);

// One CIDR block, or one address. Trivially copyable, so that a policy can contain it.
class Network {
public:
    // "203.0.113.0/24", "2001:db8::1". Host bits must be zero. The error gives the expected form.
    static Result<Network> parse(std::string_view text);

    // `raw`: 4 or 16 bytes. An IPv4 network contains no IPv6 address, and vice versa.
    bool contains(std::string_view raw) const;
    // The first address as raw bytes.
    std::string_view base() const { return {base_.data(), size_}; }
    unsigned prefix() const { return prefix_; }  // in bits
    std::string text() const;

private:
    std::array<char, 16> base_{};
    unsigned size_ = 0;
    unsigned prefix_ = 0;
};

// "203.0.113.0/24 2001:db8::1"
std::string texts_of(std::span<const Network> networks);

}  // namespace mtls
