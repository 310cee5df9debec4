// Status data that the keeper maintains: hourly counts, marks of revoked certificates, and the sighting file, which
// keeps the seen partners over a restart.
#pragma once

#include <string>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/ledger/seen_revocation.hpp"

namespace mtls::httpd {

// In the parent, before the keeper is forked: a folder in DefaultRuntimeDir that only the run-time user may enter.
void open_seen_folder(apr_pool_t* pconf, server_rec* s);

// Used by one thread of the keeper. No decision depends on it or waits for it.
class StatusUpdater {
public:
    explicit StatusUpdater(const server_rec* s) : server_(s) {}
    // Call it periodically. Runs each task whose interval has passed.
    void turn();

private:
    void restore() const;
    void save(std::int64_t now);

    const server_rec* server_;
    // Times are monotonic_seconds().
    std::int64_t noted_ = 0;                 // last note_hours()
    std::int64_t compared_ = 0;              // last comparison of the sightings with the file
    std::int64_t saved_ = 0;                 // last write of the file
    std::uint64_t certificates_digest_ = 0;  // digest of the certificates in it
    std::uint64_t times_digest_ = 0;         // digest of the times in it
    bool is_failing_ = false;                // the write failed, and the log says so
    RevokedMarks marks_;
};

}  // namespace mtls::httpd
