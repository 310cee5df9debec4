// The certificates of clients that a process has seen lately, decoded and identified: the same clients reconnect.
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
    ~KnownCertificate() { delete entry_.load(); }
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
        std::uint64_t serial = 0;
        const ServerCas* server = nullptr;
        Identification who;

        bool answers(std::uint64_t asked_serial, const ServerCas* asked_server, std::int64_t now) const {
            return serial == asked_serial && server == asked_server && who.valid_from <= now && now <= who.valid_until;
        }
    };
    [[gnu::noinline]] const Identification& recompute(const SnapshotReader& snapshot, const ServerCas& server,
                                                      std::int64_t now);

    const PresentedCertificate certificate_;
    std::atomic<const Entry*> entry_{nullptr};
    std::mutex compute_mutex_;  // makes threads compute an identification once
};

// What a certificate and its helpers say depends on their bytes alone: connections share an entry only if these are
// equal. Verdicts of handshakes are not kept. Thread-safe.
class KnownCertificates {
public:
    static constexpr std::size_t kSlots = 256;
    static constexpr std::size_t kMostBytes = 16384;  // longer chains are not kept: clients fill the cache

    // `helpers`: as encode_helpers() writes them for this leaf. `decoded` returns the same decoded; called only if the
    // entry is new.
    template <class Decoded>
    std::shared_ptr<KnownCertificate> get(X509& leaf, std::string_view helpers, Decoded&& decoded) {
        std::string key = key_of(leaf, helpers);
        if (auto known = entries_.find(key)) return known;
        auto added = std::make_shared<KnownCertificate>(PresentedCertificate(leaf, decoded()));
        if (key.size() <= kMostBytes) entries_.insert(std::move(key), added);
        return added;
    }

private:
    static std::string key_of(const X509& leaf, std::string_view helpers);
    BoundedCache<KnownCertificate, kSlots> entries_;
};

// The cache of this process.
KnownCertificates& known_certificates();

}  // namespace mtls
