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

// The partner's anchor that has this CA at another time alone, or "".
std::string untimely_anchor(const Policy& policy, const NearestCa& nearest, std::int64_t now) {
    for (const Partner& partner : policy.partners()) {
        for (const Anchor& anchor : partner.anchors->anchors) {
            const std::string objection = anchor.window.objection(now);
            if (objection.empty() || !has_ca(anchor, nearest.key())) continue;
            const bool is_over = anchor.window.until && *anchor.window.until < now;
            return "; " + std::string(partner.name) + " has this CA by MTLSTrustAnchor at " + anchor.where.str() +
                   ", which " + objection +
                   (is_over ? ": write a later until= if its certificates may go on"
                            : ": write an earlier from= if they may come before");
        }
    }
    return {};
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
            const auto find = [&](std::int64_t at) { return find_nearest_ca(policy.cas(), refused.presented, {}, at); };
            const NearestCa nearest = find(now);
            if (nearest.found()) {
                const bool is_own = nearest.is_leaf_itself || has_anchor(refused.claimed, nearest.key());
                return {known_ca(refused, nearest), !is_own};
            }
            const NearestCa another_time = find(kAnyTime);
            std::string clause = untimely_anchor(policy, another_time, now);
            if (clause.empty()) clause = missing_issuer(refused);
            return {std::move(clause), !has_anchor(refused.claimed, another_time.key())};
        }
        case HandshakeRefusal::kTooDeep:
            return {std::string("; this path needs ") + kVerifyDepth + std::to_string(refused.cas)};
        case HandshakeRefusal::kWrongPurpose:
            // The partner may not know that its CA no longer issues certificates for clients.
            if (!is_for_servers_alone(refused.presented.facts)) return {};
            return {std::string("; ") + kMadeForServers + ", as " + kPublicCasStop +
                    ": to let it in nevertheless, write MTLSPurpose serverAuth until=DATE into <MTLSPartner " +
                    (refused.claimed.empty() ? "NAME" : names_of(refused.claimed)) + ">"};
        default:
            return {};
    }
}

}  // namespace mtls
