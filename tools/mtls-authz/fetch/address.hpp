// Which servers fetch may ask: by the text of a URL, and by the address that is connected to.
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

// Whether `to` may be followed where `from` redirects to it: the same host, at its port or both at the default ports of
// their schemes, and never from https to http.
bool is_same_server(const Url& from, const Url& to);

// Addresses of the public internet may be asked, others only where they are named.
class ReachableNetworks {
public:
    explicit ReachableNetworks(std::vector<Network> named) : named_(std::move(named)) {}

    // Why an address (raw, 4 or 16 bytes) may not be asked, "" where it may. An IPv6 address that carries an IPv4
    // address (mapped, NAT64, 6to4) is judged by that one.
    std::string objection_to(std::string_view raw) const;

private:
    std::vector<Network> named_;
};

}  // namespace mtls::tool
