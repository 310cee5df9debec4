
#include <algorithm>

#include "../terminal.hpp"
#include "explanation.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/decision.hpp"

namespace mtls::tool {

std::string other_spelling_of(std::string_view path) {
    bool is_encoded = false;
    for (std::size_t i = 0; i + 2 < path.size(); ++i) {
        is_encoded = is_encoded || (path[i] == '%' && from_hex(path.substr(i + 1, 2), false));
    }
    if (!is_encoded && path.find('?') == std::string_view::npos) return {};
    return "the path as a request line writes it (--path is taken as decoded, and without a query)";
}

const Partner* partner_by_unseen_cas(const Identification& who) {
    const bool is_by_path = who.reason == Reason::kNotVerified || who.reason == Reason::kWrongIssuer;
    // Where the policy names a CA of the path, mod_ssl's do not count.
    if (!is_by_path || !who.nearest_ca_key.empty()) return nullptr;
    const auto found = std::find_if(who.claimed.begin(), who.claimed.end(),
                                    [](const Partner* partner) { return partner->anchors->uses_mod_ssl; });
    return found != who.claimed.end() ? *found : nullptr;
}

std::string describe(const NearMiss& miss) {
    std::string out = std::string(miss.partner->name) + " (" + miss.identity.where.str() + ") nearly fits: ";
    for (const NearMiss::Failure& failure : miss.failures) {
        const std::string actual = joined(failure.actual, ", ", shown);
        out += (&failure == &miss.failures.front() ? "" : "; ") + std::string(failure.selector.text()) +
               " does not, the certificate has " + (actual.empty() ? "nothing there" : actual) +
               (failure.is_close ? " (a slip of the pen?)" : "") +
               (failure.unclear.empty() ? "" : " (" + failure.unclear + ")");
    }
    return out;
}

namespace {

constexpr std::size_t kMostMisses = 5;

void add_near_misses(const Policy& policy, const CertificateFacts& facts, Explanation& out) {
    const PathFacts* const path = out.who.path.ca_keys.empty() ? nullptr : &out.who.path;
    for (const NearMiss& miss : find_near_misses(policy, facts, path, kMostMisses)) out.hints.push_back(describe(miss));
}

// The line of this partner that an ambiguous certificate matches.
std::string fitting_line(const Policy& policy, const CertificateFacts& facts, const Partner& partner) {
    const auto text = [&partner](const Identity& identity) {
        return std::string(partner.name) + " by MTLSIdentity " + escape_hidden(identity.text()) + " at " +
               identity.where.str();
    };
    for (const Policy::Match& match : policy.matching_identities(facts)) {
        if (match.partner == &partner) return text(match.identity);
    }
    for (const Identity& identity : partner.identities) {
        if (identity.any) return text(identity);
    }
    return std::string(partner.name);
}

void add_ambiguity(const Policy& policy, const CertificateFacts& facts, Explanation& out) {
    std::string lines;
    for (const Partner* partner : out.who.claimed)
        lines += (lines.empty() ? "" : ", and ") + fitting_line(policy, facts, *partner);
    out.steps.push_back("identity: it is " + lines + "; the trust anchors of both have a valid path to it");
    out.hints.emplace_back(
        "one selector more on one of these lines, which this certificate does not fit, or a '!' "
        "selector, makes it the other partner's");
}

void add_identity_steps(const Policy& policy, const CertificateFacts& facts, std::int64_t now, Explanation& out) {
    const Identification& who = out.who;
    if (who.partner != nullptr) {
        out.steps.push_back("identity: " + std::string(who.partner->name) + ", by MTLSIdentity " +
                            escape_hidden(who.identity->text()) + " at " + who.identity->where.str());
        if (!who.path.ca_keys.empty())
            out.steps.push_back("path: verified, issued by the key " + hex(bytes_of(who.path.ca_keys.front())));
        if (who.is_purpose_waived)
            out.steps.emplace_back("purpose: made for servers alone; MTLSPurpose serverAuth lets it in");
        if (who.is_crl_exempt)
            out.steps.emplace_back(
                "CRLs: none is needed for this leaf, since it has noRevAvail and is short-lived (MTLSShortLived)");
        out.steps.push_back("groups: " + (who.groups.empty() ? "none" : joined(who.groups, ", ")));
        return;
    }
    if (who.claimed.empty()) {
        out.steps.emplace_back("identity: no MTLSIdentity fits");
        return;
    }
    if (out.reason == Reason::kAmbiguous) return add_ambiguity(policy, facts, out);
    out.steps.push_back("identity: the certificate names " + names_of(who.claimed, ", ") +
                        (who.claimed_identity ? ", by MTLSIdentity at " + who.claimed_identity->where.str() : ""));
    if (out.reason != Reason::kWrongIssuer && out.reason != Reason::kNotVerified) return;
    for (const Partner* partner : who.claimed) {
        std::string files;
        for (const Anchor& anchor : partner->anchors->anchors) {
            const std::string objection = anchor.window.objection(now);
            files += (files.empty() ? "" : ", ") + std::string(anchor.file) +
                     (objection.empty() ? "" : " (" + objection + ")");
        }
        if (partner->anchors->uses_mod_ssl) files += (files.empty() ? "" : ", ") + std::string(kModSsl);
        out.hints.push_back(std::string(partner->name) + " trusts " + files +
                            (who.detail.empty() ? ": the certificate has no valid path to these" : ""));
    }
}

void ask_network(const Partner& partner, const std::string& from, Explanation& out) {
    if (from.empty()) {
        out.steps.push_back("network: not asked, it is let in from " + texts_of(partner.networks) + " alone");
        return;
    }
    out.detail = partner.network_objection(address_from_text(from));
    if (out.detail.empty()) {
        out.steps.push_back("network: " + from + " is in " + texts_of(partner.networks));
    } else {
        out.reason = Reason::kWrongNetwork;
        out.steps.push_back("network: " + out.detail);
    }
}

// " (of this certificate: 17, acme)": the values of the %{cert:TYPE} segments, in order.
std::string field_values_text(const GrantedPath& granted) {
    std::string out;
    for (const std::string& value : granted.fields)
        out += (out.empty() ? " (of this certificate: " : ", ") + shown(value);
    return out.empty() ? out : out + ")";
}

// Reports grants that do not apply to this certificate: by their `if`, or since it lacks a usable field for their path.
void add_grants_of_others(const Policy& policy, const CertificateFacts& facts, const Identification& who,
                          Explanation& out) {
    for (const auto grants : {std::span(who.partner->grants), policy.grants()}) {
        for (const Grant& grant : grants) {
            const std::string is_none =
                "MTLSGrant " + grant.text() + " at " + grant.where.str() + " is none for this certificate: ";
            if (!grant.conditions.hold(facts, &who.path)) {
                out.hints.push_back(is_none + "it does not fit if" + grant.conditions.text());
                continue;
            }
            for (const PathPattern& path : grant.paths) {
                const auto fields = path.find_fields(facts, who.path);
                if (!fields.ok()) out.hints.push_back(is_none + shown(fields.error()));
            }
        }
    }
}

// Decides with only the rule `MTLSAllow by-grant`.
Decision decide_by_grant(const Policy& policy, const CertificateFacts& facts, const std::string& method,
                         const std::string& path, Explanation& out) {
    const Identification& who = out.who;
    const GateRules rules = {GateRule::of(GateRule::Kind::kByGrant)};
    // The network check has its own step.
    const auto readings = readings_of(path, PathForm::kDecoded);
    if (!readings) return {Reason::kBadPath, "it can be read in more than " + std::to_string(kMostReadings) + " ways"};
    Decision answer =
        decide({&rules}, {.who = &who, .is_from_anywhere = true, .line = {method, path}, .readings = *readings});
    answer.rule = nullptr;
    if (answer.path != nullptr) {
        const Grant& grant = *answer.path->grant;
        out.steps.push_back("grant: MTLSGrant " + grant.text() + " at " + grant.where.str() +
                            field_values_text(*answer.path) + (answer.granted() ? "" : ", but not for " + method));
    } else {
        out.steps.push_back("grant: none fits " + method + " " + shown(path));
        for (const GrantedPath& granted : who.grants.all()) {
            out.hints.push_back("it has MTLSGrant " + granted.grant->methods.text() + " " +
                                std::string(granted.path->text()) + " at " + granted.grant->where.str() +
                                field_values_text(granted));
        }
        add_grants_of_others(policy, facts, who, out);
    }
    return answer;
}

}  // namespace

Explanation explain_request(const Policy& policy, const PresentedCertificate& certificate,
                            const IdentifyContext& context, const std::string& method, const std::string& path,
                            const std::string& from) {
    const CertificateFacts& facts = certificate.facts;
    Explanation out;
    out.steps.push_back("certificate: " + shown(facts.subject.text()) + ", issued by " + shown(facts.issuer.text()) +
                        ", serial " + facts.serial + ", until " + format_time(facts.not_after));
    if (certificate.left_out.count > 0) {
        out.steps.push_back("intermediates: " + describe_left_out(certificate.helpers, certificate.left_out));
    }
    out.who = identify(policy, certificate, context);
    out.reason = Reason::kBadPath;
    if (!path.empty() && find_path_fault(path) != PathFault::kNone) return out;
    out.reason = out.who.reason;
    out.detail = out.who.detail;
    add_identity_steps(policy, facts, context.now, out);
    if (out.reason == Reason::kUnknownPartner || out.reason == Reason::kNotVerified)
        add_near_misses(policy, facts, out);
    if (out.reason == Reason::kGranted && !out.who.partner->networks.empty()) ask_network(*out.who.partner, from, out);
    if (out.reason == Reason::kGranted && !path.empty()) {
        const Decision answer = decide_by_grant(policy, facts, method.empty() ? "GET" : method, path, out);
        out.reason = answer.reason;
        out.detail = answer.detail;
    }
    if (context.server.certificates.empty() && policy.some_trust_mod_ssl() && out.reason == Reason::kNotVerified) {
        out.hints.emplace_back("some partners trust mod_ssl: give the CAs of SSLCACertificateFile with --server-ca");
    }
    return out;
}

}  // namespace mtls::tool
