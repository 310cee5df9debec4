// Whom a connection's certificate belongs to, remembered between its requests.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "mtls_authz/snapshot.hpp"

namespace mtls {

// One for each TLS connection. Thread-safe: the streams of an HTTP/2 connection ask in several threads at once.
class IdentificationCache {
public:
    // The same answer as the policy's identify(), found anew only when the certificate, the snapshot, the server or the
    // clock says so. What it returns borrows from the snapshot's policy; it is kept beyond that policy's life, but
    // given out only for the same snapshot.
    std::shared_ptr<const Identification> identify(std::shared_ptr<const PresentedCertificate> certificate,
                                                   const Snapshot& snapshot, const ServerCas& server, std::int64_t now);

private:
    std::mutex mutex_;
    std::shared_ptr<const Identification> who_;
    std::shared_ptr<const PresentedCertificate>
        certificate_;  // held, so that its address cannot come back as another's
    std::uint64_t serial_ = 0;
    const ServerCas* server_ = nullptr;
};

}  // namespace mtls
