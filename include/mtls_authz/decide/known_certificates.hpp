// The certificates of partners that a process has seen lately, decoded and identified: the same clients reconnect.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/snapshot.hpp"
#include "mtls_authz/trust/bounded_cache.hpp"

namespace mtls {

// A client's certificate, and its identification between requests. Thread-safe: connections with the same certificate,
// and the streams of an HTTP/2 connection, call it from several threads. A cache hit takes no lock and writes nothing.
class KnownCertificate {
public:
    explicit KnownCertificate(PresentedCertificate certificate) : certificate_(std::move(certificate)) {}
    KnownCertificate(const KnownCertificate&) = delete;
    KnownCertificate& operator=(const KnownCertificate&) = delete;

    const PresentedCertificate& certificate() const { return certificate_; }

    // The result of mtls::identify(), computed again only if the snapshot, the server or the validity interval changed.
    // The reference is valid as long as `snapshot`, which must not be empty, and this object.
    const Identification& identify(const SnapshotReader& snapshot, const ServerCas& server, std::int64_t now) {
        const Entry* const entry = entry_.load();
        if (entry != nullptr && entry->answers(snapshot->serial, &server, now)) return entry->who;
        return recompute(snapshot, server, now);
    }

private:
    struct Entry {
        std::uint64_t serial;
        const ServerCas* server;
        Identification who;

        bool answers(std::uint64_t asked_serial, const ServerCas* asked_server, std::int64_t now) const {
            return serial == asked_serial && server == asked_server && who.valid_from <= now && now <= who.valid_until;
        }
    };
    [[gnu::noinline]] const Identification& recompute(const SnapshotReader& snapshot, const ServerCas& server,
                                                      std::int64_t now);

    const PresentedCertificate certificate_;
    std::atomic<const Entry*> entry_{nullptr};
    std::mutex compute_mutex_;           // makes threads compute an identification once
    std::shared_ptr<const Entry> held_;  // *entry_; under compute_mutex_
};

// What a certificate and its helpers say depends on their bytes alone: connections share an entry only if these are
// equal. Verdicts of handshakes are not kept. Thread-safe.
class KnownCertificates {
public:
    static constexpr std::size_t kSlots = 256;
    static constexpr std::size_t kMostBytes = 24576;  // a leaf of ML-DSA-87 with two intermediates has 22 kB
    static constexpr std::size_t kMostNames = 256;    // decoded, a name takes up to 200 bytes

    // `helpers`: as encode_helpers() writes them for this leaf. `host`: the virtual host that the handshake chose: an
    // identification is of one. Throws std::bad_alloc.
    static std::string key_of(const X509& leaf, std::string_view helpers, const void* host);

    // Null if there is none.
    std::shared_ptr<KnownCertificate> find(std::string_view key) { return entries_.find(key); }
    // Call it for partners alone: strangers must not fill the memory. Larger ones are not kept.
    void keep(std::string key, std::shared_ptr<KnownCertificate> known);

private:
    BoundedCache<KnownCertificate, kSlots> entries_;
};

// The cache of this process.
KnownCertificates& known_certificates();

}  // namespace mtls
