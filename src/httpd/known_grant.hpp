// The grant that a kept-alive connection was given last. A request that asks the same again is granted the same again,
// without being decided anew, as long as nothing has changed that the decision depends on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config.hpp"
#include "mtls_authz/grant.hpp"
#include "variables.hpp"

namespace mtls::httpd {

// Everything that the decision depends on, beside the certificate, the clock and the path. What is pointed to lives as
// long as the configuration.
struct GrantKey {
    std::uint64_t version = 0;  // of what is published: policy, revocations, CRLs; 0: no request has this key
    const server_rec* server = nullptr;
    int method = M_INVALID;
    const ap_logconf* log = nullptr;    // how much is logged there
    const DirConfig* config = nullptr;  // null: put together for that request alone; then what it said counts
    const GateRules* allow = nullptr;
    const DenyChain* deny = nullptr;
    EnvLevel env = EnvLevel::kBasic;
};

struct KnownGrant {
    GrantKey key;
    std::int64_t valid_from = 0;  // seconds since the epoch, inclusive
    std::int64_t valid_until = -1;
    std::size_t partner = 0;    // as counted
    Handover handover;          // in the connection's pool
    bool asks_more = false;     // of the request: this path, if it has one, and no headers that would change its method
    bool asks_address = false;  // and that it comes from the connection's own address, as the one that was granted did
    PathPattern path;           // of the policy's grant, where it was one; borrows `path_text`
    std::string path_text;
    std::vector<std::string> path_fields;  // of the certificate
    bool is_simple = false;                // nothing else is to be done for such a request, neither then nor later
    int copies = 0;                        // that were put there for this connection, whatever its certificate
};

struct Decision;

// What the connection's certificate was granted, where this request asks the same and that holds now; else null.
// Whether the path can be read in two ways is the caller's business. Whatever wants the whole decision, for a log or a
// backend, is not answered.
const KnownGrant* find_known_grant(request_rec* r, const DirConfig& config) noexcept;

// To be asked before anything is decided. The version is 0 where a request asks for more than a known grant can say:
// captures, subrequests, streams of HTTP/2, methods that act on all below.
GrantKey grant_key(request_rec* r, const DirConfig& config);

// After a grant that was decided under this key.
void remember_grant(request_rec* r, const GrantKey& key, const Decision& decision, const Handover& handover,
                    std::size_t partner);

}  // namespace mtls::httpd
