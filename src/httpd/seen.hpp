// What is shown to people alone, kept up by the keeper: hours, marks of revoked certificates, and the file from which a
// server that is started anew knows who was seen.
#pragma once

#include <string>

#include "httpd.hpp"
#include "mtls_authz/seen_revocation.hpp"

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
    void save();

    const server_rec* server_;
    std::int64_t noted_ = 0;  // when hours were, as monotonic_seconds()
    std::int64_t saved_ = 0;
    std::string saved_digest_;
    bool is_failing_ = false;  // and the log has it
    RevokedMarks marks_;
};

}  // namespace mtls::httpd
