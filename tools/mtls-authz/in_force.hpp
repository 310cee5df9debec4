// What a running server has in force, as its keeper hands it out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/decide/gate_map.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls::tool {

struct InForce {
    std::string socket;
    std::shared_ptr<const Policy> policy;      // null: there is none, so every gate is closed
    std::shared_ptr<const Refusals> refusals;  // never null
    std::shared_ptr<const CrlSet> crls;        // never null
    std::int64_t since = 0;                    // of the policy, in seconds since the epoch
    GateMap gates;

    // "generation X since T, asked at SOCKET"
    std::string text() const;
};

// Asks at `socket`; where that is empty, at the one of the usual places where there is one.
Result<InForce> read_in_force(const std::string& socket);

// What mod_ssl was given for this virtual host, its CRLs apart.
Result<ServerCas> server_cas_of(const MappedHost& host);

// The virtual host that answers to "NAME" or "NAME:PORT"; for an empty name the only one that serves TLS.
Result<const MappedHost*> choose_host(const GateMap& gates, const std::string& name);
// "shop.example:443"
std::string title_of(const MappedHost& host);

}  // namespace mtls::tool
