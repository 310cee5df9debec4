#include "mtls_authz/decide/handed_certificates.hpp"

#include <algorithm>

#include "mtls_authz/base/digest.hpp"

namespace mtls {

namespace {

std::string digest_of(const FrontFields& fields) {
    Sha256 digest;
    // The length comes first, so that the boundary between the two fields is part of the digest.
    digest.add(std::string(word_of(fields.format)) + (fields.holds == FieldHolds::kLeafAndChain ? "+" : "") + " " +
               std::to_string(fields.header.size()) + ":");
    digest.add(fields.header);
    digest.add(fields.chain);
    return digest.finish();
}

}  // namespace

std::shared_ptr<HandedCertificate> decode_handed(const FrontFields& fields, FrontFault& fault) {
    auto handed = decode_front_header(fields.format, fields.header, fields.holds);
    if (!handed) {
        fault = {false, handed.error()};
        return nullptr;
    }
    HandedChain& all = handed.value();
    if (!fields.chain.empty()) {
        auto above = decode_front_chain(fields.format, fields.chain);
        if (!above) {
            fault = {true, above.error()};
            return nullptr;
        }
        all.chain = std::move(above.value());
    }
    std::vector<X509*> chain;
    for (const X509Ptr& certificate : all.chain) chain.push_back(certificate.get());
    return std::make_shared<HandedCertificate>(PresentedCertificate(*all.leaf, useful_helpers(*all.leaf, chain)));
}

std::shared_ptr<HandedCertificate> HandedCertificates::find_entry(const std::string& digest) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&digest](const Entry& entry) { return entry.digest == digest; });
    if (found == entries_.end()) return nullptr;
    std::rotate(entries_.begin(), found, found + 1);
    return entries_.front().handed;
}

std::shared_ptr<HandedCertificate> HandedCertificates::find(const FrontFields& fields, FrontFault& fault) {
    std::string digest = digest_of(fields);
    {
        const std::lock_guard lock(mutex_);
        if (auto entry = find_entry(digest)) return entry;
    }
    auto handed = decode_handed(fields, fault);
    if (!handed) return nullptr;
    std::shared_ptr<HandedCertificate> evicted;  // freed after the lock was released
    const std::lock_guard lock(mutex_);
    if (auto entry = find_entry(digest)) return entry;  // another stream was faster
    if (entries_.size() == kMostEntries) {
        evicted = std::move(entries_.back().handed);
        entries_.pop_back();
    }
    entries_.insert(entries_.begin(), {std::move(digest), handed});
    return handed;
}

}  // namespace mtls
