// What is shown to people alone, kept up by the keeper: hours, marks of revoked certificates, and the file from which a
// server that is started anew knows who was seen.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/ledger/seen_revocation.hpp"

namespace mtls::httpd {

// In the parent, before the keeper is forked: a folder below DefaultRuntimeDir that the run-time user alone may enter.
void open_seen_folder(apr_pool_t* pconf, server_rec* s);

// In the keeper, by one thread. Nothing waits for it, and nothing decides by it.
class SeenKeeper {
public:
    explicit SeenKeeper(const server_rec* s) : server_(s) {}
    // Now and then: does what is due.
    void turn();

private:
    void restore() const;
    void save(std::int64_t now);

    const server_rec* server_;
    // All as monotonic_seconds().
    std::int64_t noted_ = 0;   // when hours were
    std::int64_t looked_ = 0;  // when this looked for what is new
    std::int64_t saved_ = 0;   // when the file was written
    std::uint64_t who_ = 0;    // digest of the certificates in it
    std::uint64_t when_ = 0;   // and of when they were seen
    bool is_failing_ = false;  // and the log has it
    RevokedMarks marks_;
};

}  // namespace mtls::httpd
