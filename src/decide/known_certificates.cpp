#include "mtls_authz/decide/known_certificates.hpp"

#include <new>

namespace mtls {

const Identification& KnownCertificate::recompute(const SnapshotReader& snapshot, const ServerCas& server,
                                                  std::int64_t now) {
    const std::lock_guard lock(compute_mutex_);
    const Entry* const entry = entry_.load();
    if (entry != nullptr && entry->answers(snapshot->serial, &server, now)) return entry->who;
    auto found = std::make_shared<const Entry>(
        Entry{snapshot->serial, &server,
              mtls::identify(*snapshot->policy, certificate_, {server, *snapshot->refusals, *snapshot->crls, now})});
    entry_.store(found.get());
    // Other threads may still use the previous entry.
    if (auto before = std::exchange(held_, found)) snapshot.retire(std::move(before));
    return found->who;
}

// The lengths come first, so that the boundaries are part of the key.
std::string KnownCertificates::key_of(const X509& leaf, std::string_view helpers, const void* host) {
    const std::string der = encode(i2d_X509, leaf);
    if (der.empty()) throw std::bad_alloc();  // or all leaves would have one key
    std::string key = std::to_string(reinterpret_cast<std::uintptr_t>(host)) + "," + std::to_string(der.size()) + ":";
    key.reserve(key.size() + der.size() + helpers.size());
    return key.append(der).append(helpers);
}

namespace {

// Of everything that a certificate may have many of.
std::size_t names_in(const CertificateFacts& f) {
    std::size_t count = f.subject.attributes.size() + f.issuer.attributes.size() + f.extensions.size();
    for (const auto* texts :
         {&f.dns, &f.email, &f.uri, &f.ip, &f.upn, &f.odd_upn, &f.rid, &f.eku, &f.policies, &f.qc_roles, &f.qc_types}) {
        count += texts->size();
    }
    for (const DistinguishedName& name : f.dir_name) count += 1 + name.attributes.size();
    return count + f.other_name.size();
}

}  // namespace

void KnownCertificates::keep(std::string key, std::shared_ptr<KnownCertificate> known) {
    if (key.size() > kMostBytes || names_in(known->certificate().facts) > kMostNames) return;
    entries_.insert(std::move(key), std::move(known));
}

KnownCertificates& known_certificates() {
    static KnownCertificates of_process;
    return of_process;
}

}  // namespace mtls
