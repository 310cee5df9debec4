// A running server's policy, refusals, CRLs and gates, read from its keeper.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/keeper/gate_map.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls::tool {

struct InForce {
    std::string socket;
    std::shared_ptr<const Policy> policy;      // null: no policy, so every gate is closed
    std::shared_ptr<const Refusals> refusals;  // never null
    std::shared_ptr<const CrlSet> crls;        // never null
    std::int64_t since = 0;                    // when the policy came into force, in seconds since the epoch
    GateMap gates;
    std::vector<std::string> not_in_force;  // sentences: what the server does not count of its files

    // "generation X since T, asked at SOCKET"
    std::string text() const;
    // A line for each sentence.
    void print_not_in_force(std::ostream& out) const;
};

// The socket of the only server in a usual place.
Result<std::string> find_socket();
// Asks at `socket`; if empty, at the only usual place that has one.
Result<InForce> read_in_force(const std::string& socket);

// mod_ssl's CAs for this virtual host, without its CRLs.
Result<ServerCas> server_cas_of(const MappedHost& host);

// The virtual host for "NAME" or "NAME:PORT"; for an empty name the only one with TLS.
Result<const MappedHost*> choose_host(const GateMap& gates, const std::string& name);
// "shop.example:443"
std::string title_of(const MappedHost& host);

}  // namespace mtls::tool
