#include "mtls_authz/ledger/incidents.hpp"

#include "mtls_authz/base/digest.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

std::uint64_t cause_of(std::initializer_list<std::string_view> parts) {
    Sha256 digest;
    for (const std::string_view part : parts) {
        digest.add(std::to_string(part.size()) + ":");
        digest.add(part);
    }
    std::uint64_t out = 0;
    std::memcpy(&out, digest.finish().data(), sizeof out);
    return out != 0 ? out : 1;
}

UnknownIssuer UnknownIssuer::of(const CertificateFacts& facts, const std::string& claimed, std::string_view reason,
                                std::int64_t now) {
    constexpr const char* kAuthorityKey = "2.5.29.35";
    UnknownIssuer out;
    out.time = now;
    out.claimed = claimed;
    out.reason = reason;
    out.subject = facts.subject.text();
    out.issuer = facts.issuer.text();
    out.sha256 = hex(bytes_of(facts.sha256));
    std::string_view key;
    for (const Extension& extension : facts.extensions) {
        if (extension.oid == kAuthorityKey) key = extension.value;
    }
    out.cause = cause_of({"unknown-issuer", claimed, facts.issuer.canonical, key});
    return out;
}

std::vector<UnknownIssuer> Incidents::all() const {
    std::vector<UnknownIssuer> out;
    for (const auto& record : kept_) {
        if (const auto incident = record.read()) out.push_back(*incident);
    }
    return out;
}

}  // namespace mtls
