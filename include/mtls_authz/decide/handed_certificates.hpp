// The certificates that a front hands on over one connection, decoded once, and whom they belong to.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "mtls_authz/certificate/front_header.hpp"
#include "mtls_authz/decide/identification_cache.hpp"

namespace mtls {

struct HandedCertificate {
    explicit HandedCertificate(std::shared_ptr<const PresentedCertificate> of) : certificate(std::move(of)) {}

    const std::shared_ptr<const PresentedCertificate> certificate;
    IdentificationCache identifications;
    std::atomic<std::int64_t> sighted{0};  // when it was last noted as seen; seconds since the epoch
};

// The header fields as they came; `chain` is empty where there is none.
struct FrontFields {
    FrontFormat format = FrontFormat::kRfc9440;
    FieldHolds holds = FieldHolds::kOneCertificate;
    std::string_view header;
    std::string_view chain;
};

// Which of the two fields is at fault, and why, as decode_front_header() has it.
struct FrontFault {
    bool is_of_chain = false;
    std::string why;
};

// One for each connection. Thread-safe: the streams of an HTTP/2 connection ask in several threads at once. Two
// requests get the same certificate only where their fields are the same, by SHA-256.
class HandedCertificates {
public:
    static constexpr std::size_t kMost = 64;  // the least recently asked for makes room

    // Returns null and sets `fault` where the fields cannot be decoded; a failure is not cached.
    std::shared_ptr<HandedCertificate> find(const FrontFields& fields, FrontFault& fault);

private:
    struct Kept {
        std::string digest;
        std::shared_ptr<HandedCertificate> handed;
    };
    std::shared_ptr<HandedCertificate> find_kept(const std::string& digest);

    std::mutex mutex_;
    std::vector<Kept> kept_;  // the most recently asked for first
};

// Decodes the fields without a cache.
std::shared_ptr<HandedCertificate> decode_handed(const FrontFields& fields, FrontFault& fault);

}  // namespace mtls
