#include "mtls_authz/decide/handshake_advice.hpp"

#include <optional>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

std::string quoted(const X509_NAME* name) { return in_double_quotes(read_name(*name).text()); }

// The CAs of this canonical name that count in the handshake, or that the client sent.
std::vector<X509Ptr> cas_here(const RefusedPath& refused, const Policy& policy, const std::string& name) {
    auto out = refused.has_anchors ? policy.cas().cas_named(name) : std::vector<X509Ptr>();
    for (const auto* more : {&refused.of_server, &refused.presented.helpers}) {
        for (X509Ptr& ca : by_name (*more)(name)) out.push_back(std::move(ca));
    }
    return out;
}

// Why none of these CAs, which have the issuer's name, is the issuer of a certificate; nothing if one is.
std::optional<std::string> why_none_issued(const X509& certificate, const std::vector<X509Ptr>& cas) {
    const std::string digest = certificate_sha256(certificate);
    SignatureBudget budget;
    std::string fault = "has the key that issued";
    for (const X509Ptr& ca : cas) {
        const bool is_signed = is_signed_by(certificate, digest, spki_sha256(*ca), budget,
                                            SignatureBudget::KeyOf::kPeer, [&]() -> const X509Ptr& { return ca; });
        const int error = is_signed ? X509_check_issued(ca.get(), const_cast<X509*>(&certificate)) : X509_V_OK;
        if (is_signed && error == X509_V_OK) return std::nullopt;
        if (is_signed) fault = std::string("is taken for the issuer (") + X509_verify_cert_error_string(error) + ") of";
    }
    return fault;
}

// Which certificate is missing on the way to a trust anchor.
std::string missing_issuer(const RefusedPath& refused, const Policy& policy) {
    if (refused.at == nullptr) return {};
    const X509_NAME* const issuer = X509_get_issuer_name(refused.at);
    if (X509_NAME_cmp(X509_get_subject_name(refused.at), issuer) == 0)
        return "; " + quoted(issuer) + " is self-signed, and trusted by nobody here";
    const std::string where = refused.has_anchors ? "; MTLSClientCA is On here" : "",
                      below = quoted(X509_get_subject_name(refused.at));
    const auto here = cas_here(refused, policy, read_name(*issuer).canonical);
    if (!here.empty()) {
        const auto fault = why_none_issued(*refused.at, here);
        return fault ? where + "; of the CAs " + quoted(issuer) + " that are here, none " + *fault + " " + below : "";
    }
    const bool sent_none = refused.presented.helpers.empty();
    return where + "; missing is " + quoted(issuer) + ", which issued " + below +
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

std::string known_ca(const RefusedPath& refused, const NearestCa& nearest, const Policy& policy) {
    if (refused.has_anchors) {
        const std::string fault = identify_at_any_time(policy, refused.presented, {}).detail;
        return fault.empty() ? "" : "; the policy has a CA above it, and the path to that does not hold: " + fault;
    }
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
                return {known_ca(refused, nearest, policy), !is_own};
            }
            const NearestCa another_time = find(kAnyTime);
            std::string clause = untimely_anchor(policy, another_time, now);
            if (clause.empty()) clause = missing_issuer(refused, policy);
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
