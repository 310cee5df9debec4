// Whom a connection's certificate belongs to, remembered between its requests.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// One for each TLS connection. Thread-safe: the streams of an HTTP/2 connection ask in several threads at once. What is
// known already is found without a lock, and without writing anything.
class IdentificationCache {
public:
    IdentificationCache() = default;
    ~IdentificationCache() { delete known_.load(); }
    IdentificationCache(const IdentificationCache&) = delete;
    IdentificationCache& operator=(const IdentificationCache&) = delete;

    // The same answer as the policy's identify(), found anew only when the certificate, the snapshot, the server or the
    // clock says so. Valid for as long as `snapshot`, which must see one, looks.
    const Identification& identify(const std::shared_ptr<const PresentedCertificate>& certificate,
                                   const SnapshotReader& snapshot, const ServerCas& server, std::int64_t now) {
        const Known* const known = known_.load();
        if (known != nullptr && known->answers(certificate.get(), snapshot->serial, &server, now)) return known->who;
        return find_anew(certificate, snapshot, server, now);
    }

private:
    struct Known {
        std::shared_ptr<const PresentedCertificate> certificate;  // held: its address never comes back as another's
        std::uint64_t serial = 0;
        const ServerCas* server = nullptr;
        Identification who;

        bool answers(const PresentedCertificate* asked, std::uint64_t asked_serial, const ServerCas* asked_server,
                     std::int64_t now) const {
            return certificate.get() == asked && serial == asked_serial && server == asked_server &&
                   who.valid_from <= now && now <= who.valid_until;
        }
    };
    [[gnu::noinline]] const Identification& find_anew(const std::shared_ptr<const PresentedCertificate>& certificate,
                                                      const SnapshotReader& snapshot, const ServerCas& server,
                                                      std::int64_t now);

    std::atomic<const Known*> known_{nullptr};
    std::mutex finding_;  // several streams do not find the same
};

}  // namespace mtls
