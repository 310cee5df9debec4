#include "mtls_authz/rules/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

namespace {

constexpr unsigned kBitsPerByte = 8;
constexpr std::size_t kV4 = 4, kV6 = 16;

unsigned bits_of(std::string_view raw) { return static_cast<unsigned>(raw.size()) * kBitsPerByte; }

}  // namespace

std::string address_from_text(const std::string& text) {
    std::array<char, kV6> raw{};
    if (text.find('\0') != std::string::npos) return {};
    if (inet_pton(AF_INET, text.c_str(), raw.data()) == 1) return {raw.data(), kV4};
    if (inet_pton(AF_INET6, text.c_str(), raw.data()) == 1) return {raw.data(), kV6};
    return {};
}

std::string_view without_mapping(std::string_view raw) {
    constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    return raw.size() == kV6 && raw.starts_with(kMapped) ? raw.substr(kMapped.size()) : raw;
}

std::string masked(std::string_view raw, unsigned prefix) {
    std::string out(raw);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const unsigned first = static_cast<unsigned>(i) * kBitsPerByte;
        const unsigned keep = prefix <= first ? 0 : std::min(kBitsPerByte, prefix - first);
        out[i] = static_cast<char>(static_cast<std::uint8_t>(out[i]) & (0xff00U >> keep));
    }
    return out;
}

Result<Network> Network::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string address(text.substr(0, slash));
    const std::string raw = address_from_text(address);
    if (raw.empty()) {
        return Error{in_quotes(address, 200) + " is no IP address: expected 203.0.113.7, 2001:db8::1 or a CIDR block"};
    }
    Network out;
    out.size_ = static_cast<unsigned>(raw.size());
    out.prefix_ = bits_of(raw);
    std::copy(raw.begin(), raw.end(), out.base_.begin());
    constexpr std::string_view kNetmask = "255.";
    const std::string_view length = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    if (address.starts_with(kNetmask) || length.starts_with(kNetmask))
        return Error{"a netmask is written as the length of the prefix, like 10.0.0.0/8"};
    if (slash == std::string_view::npos) return out;
    unsigned prefix = 0;
    const auto [end, fault] = std::from_chars(length.data(), length.data() + length.size(), prefix);
    if (fault != std::errc() || end != length.data() + length.size() || prefix > out.prefix_) {
        return Error{"the prefix length has to be 0 to " + std::to_string(out.prefix_)};
    }
    out.prefix_ = prefix;
    const std::string network = masked(raw, prefix);
    if (network != raw) {
        return Error{"has host bits set: did you mean " + ip_text(network) + "/" + std::to_string(prefix) + "?"};
    }
    return out;
}

bool Network::contains(std::string_view raw) const {
    if (raw.size() != size_) return false;
    const std::size_t whole = prefix_ / kBitsPerByte, rest = prefix_ % kBitsPerByte;
    if (raw.substr(0, whole) != base().substr(0, whole)) return false;
    const unsigned shift = kBitsPerByte - static_cast<unsigned>(rest);
    const auto head = [&](std::string_view bytes) { return static_cast<std::uint8_t>(bytes[whole]) >> shift; };
    return rest == 0 || head(raw) == head(base());
}

std::string Network::text() const {
    return ip_text(base()) + (prefix_ == bits_of(base()) ? "" : "/" + std::to_string(prefix_));
}

std::string texts_of(std::span<const Network> networks) { return joined(networks, " ", &Network::text); }

}  // namespace mtls
