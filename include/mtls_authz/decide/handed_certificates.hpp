// Caches the certificates that a front sends over one connection, decoded, with their identifications.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "mtls_authz/certificate/front_header.hpp"
#include "mtls_authz/decide/known_certificates.hpp"

namespace mtls {

struct HandedCertificate {
    explicit HandedCertificate(PresentedCertificate of) : known(std::move(of)) {}

    KnownCertificate known;
    std::atomic<std::int64_t> sighted{0};  // time of the last sighting that was recorded; seconds since the epoch
};

// The header fields as received; `chain` is empty if there is none.
struct FrontFields {
    FrontFormat format = FrontFormat::kRfc9440;
    FieldHolds holds = FieldHolds::kOneCertificate;
    std::string_view header;
    std::string_view chain;
};

// The faulty field, and the error of decode_front_header() or decode_front_chain().
struct FrontFault {
    bool is_of_chain = false;
    std::string why;
};

// One per connection. Thread-safe: the streams of an HTTP/2 connection call it from several threads. Two requests share
// a certificate only if their fields are equal, by SHA-256.
class HandedCertificates {
public:
    static constexpr std::size_t kMostEntries = 64;  // evicts the least recently used entry

    // Returns null and sets `fault` if the fields do not decode; failures are not cached.
    std::shared_ptr<HandedCertificate> find(const FrontFields& fields, FrontFault& fault);

private:
    struct Entry {
        std::string digest;
        std::shared_ptr<HandedCertificate> handed;
    };
    std::shared_ptr<HandedCertificate> find_entry(const std::string& digest);

    std::mutex mutex_;
    std::vector<Entry> entries_;  // most recently used first
};

// Decodes the fields without a cache.
std::shared_ptr<HandedCertificate> decode_handed(const FrontFields& fields, FrontFault& fault);

}  // namespace mtls
