// Which servers fetch may contact: checks of the URL's text, and of the address it connects to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/rules/network.hpp"

namespace mtls::tool {

struct Url {
    std::string text;
    std::string scheme;  // http or https
    std::string host;    // lower case; an IPv6 address without its brackets
    std::string port;
    bool is_default_port = false;
};
// Refuses other schemes than http and https, and URLs with a user name or password.
Result<Url> parse_url(const std::string& text);

// Whether to follow a redirect from `from` to `to`: the same host, with the same port or both with their scheme's
// default port, and never from https to http.
bool is_same_server(const Url& from, const Url& to);

// Allows addresses of the public internet, and others only if they are named.
class ReachableNetworks {
public:
    explicit ReachableNetworks(std::vector<Network> named) : named_(std::move(named)) {}

    // Why an address (raw, 4 or 16 bytes) may not be contacted; "" if it may. An IPv6 address that embeds an IPv4
    // address (mapped, NAT64, 6to4) is checked as that address.
    std::string objection_to(std::string_view raw) const;

private:
    std::vector<Network> named_;
};

}  // namespace mtls::tool
