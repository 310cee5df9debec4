// Caches the identification of a connection's certificate between its requests.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// One per TLS connection. Thread-safe: the streams of an HTTP/2 connection call it from several threads. A cache hit
// takes no lock and writes nothing.
class IdentificationCache {
public:
    IdentificationCache() = default;
    ~IdentificationCache() { delete entry_.load(); }
    IdentificationCache(const IdentificationCache&) = delete;
    IdentificationCache& operator=(const IdentificationCache&) = delete;

    // The result of mtls::identify(), computed again only if the certificate, the snapshot, the server or the validity
    // interval changed. The reference is valid as long as `snapshot`, which must not be empty.
    const Identification& identify(const std::shared_ptr<const PresentedCertificate>& certificate,
                                   const SnapshotReader& snapshot, const ServerCas& server, std::int64_t now) {
        const Entry* const entry = entry_.load();
        if (entry != nullptr && entry->answers(certificate.get(), snapshot->serial, &server, now)) return entry->who;
        return recompute(certificate, snapshot, server, now);
    }

private:
    struct Entry {
        std::shared_ptr<const PresentedCertificate> certificate;  // kept alive, so that its address is not reused
        std::uint64_t serial = 0;
        const ServerCas* server = nullptr;
        Identification who;

        bool answers(const PresentedCertificate* asked, std::uint64_t asked_serial, const ServerCas* asked_server,
                     std::int64_t now) const {
            return certificate.get() == asked && serial == asked_serial && server == asked_server &&
                   who.valid_from <= now && now <= who.valid_until;
        }
    };
    [[gnu::noinline]] const Identification& recompute(const std::shared_ptr<const PresentedCertificate>& certificate,
                                                      const SnapshotReader& snapshot, const ServerCas& server,
                                                      std::int64_t now);

    std::atomic<const Entry*> entry_{nullptr};
    std::mutex compute_mutex_;  // makes streams compute an identification once
};

}  // namespace mtls
