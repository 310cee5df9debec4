#include "mtls_authz/decide/handshake_advice.hpp"

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/decide/identification.hpp"

namespace mtls {

namespace {

std::string quoted(const X509_NAME* name) { return in_double_quotes(read_name(*name).text()); }

// Which certificate is missing on the way to a trust anchor.
std::string missing_issuer(const RefusedPath& refused) {
    if (refused.at == nullptr) return {};
    const X509_NAME* const issuer = X509_get_issuer_name(refused.at);
    if (X509_NAME_cmp(X509_get_subject_name(refused.at), issuer) == 0)
        return "; " + quoted(issuer) + " is self-signed, and trusted by nobody here";
    const bool sent_none = refused.presented.helpers.empty();
    return std::string(refused.has_anchors ? "; MTLSClientCA is On here" : "") + "; missing is " + quoted(issuer) +
           ", which issued " + quoted(X509_get_subject_name(refused.at)) +
           (sent_none ? std::string(", and ") + kSentAlone : "");
}

std::string known_ca(const RefusedPath& refused, const NearestCa& nearest) {
    if (refused.has_anchors) return {};
    const std::string who = nearest.cas.empty()
                                ? "the certificate itself"
                                : "the CA " + quoted(X509_get_subject_name(nearest.cas.back().get())) + " above it";
    return "; the policy has " + who + ", and this virtual host has not: here " + kWithClientCa;
}

}  // namespace

HandshakeAdvice advise(const RefusedPath& refused, const Policy& policy, std::int64_t now) {
    switch (refused.reason) {
        case HandshakeRefusal::kUnknownCa: {
            const NearestCa nearest = find_nearest_ca(policy.cas(), refused.presented, {}, now);
            const bool is_own = nearest.is_leaf_itself || has_anchor(refused.claimed, nearest.key());
            return {nearest.found() ? known_ca(refused, nearest) : missing_issuer(refused), !is_own};
        }
        case HandshakeRefusal::kTooDeep:
            return {std::string("; this path needs ") + kVerifyDepth + std::to_string(refused.cas)};
        case HandshakeRefusal::kWrongPurpose:
            // The partner may not know that its CA no longer issues certificates for clients.
            if (!is_for_servers_alone(refused.presented.facts)) return {};
            return {std::string("; it was made for servers alone, as ") + kPublicCasStop +
                    ": to let it in nevertheless, write MTLSPurpose serverAuth until=DATE into <MTLSPartner " +
                    (refused.claimed.empty() ? "NAME" : names_of(refused.claimed)) + ">"};
        default:
            return {};
    }
}

}  // namespace mtls
