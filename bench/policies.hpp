// Certificates and policies of any size, for every part of the bench.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "servers.hpp"

namespace bench {

// "client-0000017": the common name of an identity; cn + ".partners.example" is its DNS name.
std::string cn_of(int n);

class Pki {
public:
    Pki();
    // An EC certificate with a common name, which all servers can compare, and one DNS name.
    const test::Identity* client(const std::string& cn);
    const test::Identity& ca() const { return ca_; }
    Files files() const;
    Files files_with(const std::string& policy) const;  // and partners.conf

private:
    test::Identity ca_, server_;
    std::map<std::string, std::unique_ptr<test::Identity>> clients_;
};

// Ten identities for each partner.
std::string policy_of(int identities);
// One for each.
std::string partners_of(int count);

constexpr const char* kPolicy = "MTLSPolicyFile partners.conf\n";
// Without polling: its cost is not part of a request's.
constexpr const char* kQuietPolicy = "MTLSPolicyFile partners.conf\nMTLSPolicyRefresh 0\n";
constexpr const char* kGate = "Require all granted\nMTLSAllow any-partner";

}  // namespace bench
