#include "mtls_authz/decide/identification.hpp"

#include <algorithm>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/partner_paths.hpp"
#include "mtls_authz/trust/crl_signers.hpp"

namespace mtls {

namespace {

// All certificates of a partner's files, intermediates first.
std::vector<const AnchorCertificate*> files_of(const Partner& partner) {
    std::vector<const AnchorCertificate*> out;
    for (const auto& file : partner.intermediates) {
        for (const AnchorCertificate& c : file) out.push_back(&c);
    }
    for (const Anchor& anchor : partner.anchors->anchors) {
        for (const AnchorCertificate& c : anchor.certificates) out.push_back(&c);
    }
    return out;
}

void claim(Identification& out, const Partner* partner, const Identity& identity) {
    if (!out.claimed_identity) out.claimed_identity = identity;
    const bool is_claimed = std::find(out.claimed.begin(), out.claimed.end(), partner) != out.claimed.end();
    if (!is_claimed && out.claimed.size() < kMostClaimed) out.claimed.push_back(partner);
}

constexpr const char* kTooWide =
    "too many of the CAs that could have issued it, or the certificates sent with it, have one name: it has to be sent "
    "with its own chain alone, and its CAs need authorityKeyIdentifier";

constexpr const char* kTwoIssuers =
    "two CAs of the policy with its issuer's name have keys that verify its signature, or that of a CA above it, and "
    "one at most has made it: remove the one that its CA does not know from the policy";

// A probable cause why no CA of the policy was found, or "".
std::string describe_obstacle(const PresentedCertificate& presented, const NearestCa& nearest, bool other_key) {
    if (nearest.is_too_deep) {
        return "above the certificate there are more intermediates than the 10 that a path may have; a CA among them "
               "can be the trust anchor (MTLSTrustAnchor)";
    }
    if (presented.left_out.count > 0) return describe_left_out(presented.helpers, presented.left_out);
    if (!nearest.unknown_algorithm.empty()) return nearest.unknown_algorithm;
    if (!nearest.faulty_ca.empty()) return nearest.faulty_ca;
    return other_key ? "a CA on the path has the name of a trust anchor and another key" : "";
}

// No partner fits: chooses the most precise of three reasons. `is_named`: some line fits but for its anchor.
void choose_refusal(const Policy& policy, const PresentedCertificate& presented, const NearestCa& nearest,
                    bool is_named, const std::vector<Policy::Match>& matches, PartnerPaths& paths,
                    Identification& out) {
    bool reachable = nearest.found();
    if (!reachable && policy.some_trust_mod_ssl()) reachable = paths.server_trusts_it();
    for (const Policy::Match& match : matches) {
        // With a valid path, only the conditions on the path failed.
        const PathAnswer* const path = paths.path_for(match);
        if (path == nullptr) claim(out, match.partner, match.identity);
        if (path != nullptr) out.path = path->facts;
    }
    out.detail = paths.last_failure();
    if (!reachable) {
        const bool other_key = nearest.same_name_other_key && nearest.unknown_algorithm.empty() && is_named;
        out.reason = other_key ? Reason::kWrongIssuer : Reason::kNotVerified;
        std::string obstacle = describe_obstacle(presented, nearest, other_key);
        if (obstacle.empty()) obstacle = paths.anchor_fault();
        if (!obstacle.empty()) out.detail = obstacle;
    } else if (!out.claimed.empty()) {
        out.reason = Reason::kWrongIssuer;
        if (out.detail.empty()) out.detail = paths.nearest_fault(out.claimed);
    } else {
        out.reason = Reason::kUnknownPartner;
    }
}

// The verified path, if exactly one partner is identified.
std::optional<PathAnswer> identify_by_path(const Policy& policy, const PresentedCertificate& presented,
                                           const NearestCa& nearest, const ServerCas& server, std::int64_t now,
                                           Identification& out) {
    PartnerPaths paths(policy, presented, server, nearest, now);

    const std::vector<Policy::Match> named = policy.matching_identities(presented.facts);
    if (nearest.is_too_wide || nearest.has_two_issuers) {
        for (const Policy::Match& match : named) claim(out, match.partner, match.identity);
        out.reason = nearest.has_two_issuers ? Reason::kWrongIssuer : Reason::kNotVerified;
        out.detail = nearest.has_two_issuers ? kTwoIssuers : kTooWide;
        return std::nullopt;
    }
    std::vector<Policy::Match> matches = named;
    policy.add_any_matches(nearest, presented.facts, matches);

    std::vector<Policy::Match> fitting;  // the first matching identity of each partner, anchor included; two suffice
    PathAnswer* fitting_path = nullptr;  // of the first match
    for (const Policy::Match& match : matches) {
        if (fitting.size() == 2) break;
        if (!fitting.empty() && fitting.back().partner == match.partner) continue;
        PathAnswer* const path = paths.path_for(match);
        if (path == nullptr || !match.identity.selectors.hold(presented.facts, &path->facts)) continue;
        if (fitting.empty()) fitting_path = path;
        fitting.push_back(match);
    }
    if (fitting.size() == 1) {
        out.reason = Reason::kGranted;
        out.partner = fitting.front().partner;
        out.identity = fitting.front().identity;
        out.path = fitting_path->facts;
        out.is_purpose_waived = fitting_path->is_for_servers;
        return std::move(*fitting_path);
    }
    if (fitting.size() == 2) {
        out.reason = Reason::kAmbiguous;
        for (const Policy::Match& match : fitting) claim(out, match.partner, match.identity);
        return std::nullopt;
    }

    choose_refusal(policy, presented, nearest, !named.empty(), matches, paths, out);
    return std::nullopt;
}

// Narrows the validity interval by an instant at which the result may change.
void narrow(Identification& out, std::int64_t now, std::int64_t at) {
    if (at <= now) out.valid_from = std::max(out.valid_from, at);
    if (at > now) out.valid_until = std::min(out.valid_until, at - 1);
}

// RFC 5280 6.3 for each certificate below the anchor, the leaf first.
void check_path(const Policy& policy, const PresentedCertificate& presented, const PathAnswer& path, bool by_server,
                const IdentifyContext& context, Identification& out) {
    const CrlRules rules = out.partner->crl_rules.over(policy.crl_rules());
    const CertificateFacts& facts = presented.facts;
    CrlRules of_leaf = rules;
    if (rules.exempts(facts.no_rev_avail, facts.not_before, facts.not_after)) of_leaf.required = false;
    out.is_crl_exempt = of_leaf.required != rules.required && rules.required.value_or(false);
    CrlSets crls = {&context.crls};
    if (by_server && context.server.crls) crls.push_back(context.server.crls.get());
    HeldCertificates held;
    const auto with_server = [&](std::vector<X509Ptr> named, const std::string& name) {
        for (X509Ptr& ca : by_name(context.server.certificates)(name)) named.push_back(std::move(ca));
        return named;
    };
    const auto trusted_files = [&](const std::string& name) {
        auto named = policy.cas().cas_named(name, context.now);
        return by_server ? with_server(std::move(named), name) : std::move(named);
    };
    const auto all_cas = [&](const std::string& name) { return with_server(policy.cas().cas_named(name), name); };
    const auto in_files = [&](const std::string& name) { return with_server(policy.cas().cas_in_files(name), name); };
    const auto all_anchors = [&](const std::string& name) {
        return policy.ends_named(name, context.server.certificates);
    };
    const auto helpers = [&] {
        std::vector<Link> links = links_to(presented.helpers, presented.helper_digests);
        for (const AnchorCertificate* c : files_of(*out.partner)) links.push_back(held.link(*c));
        if (!by_server) return links;
        for (const Link& link : links_to(context.server.certificates, context.server.digests)) links.push_back(link);
        return links;
    };
    std::vector<std::int64_t> edges;
    CrlSignerSearch signers(path.chain, crls,
                            {trusted_files, all_cas, in_files, all_anchors, by_server, helpers, presented.helpers,
                             context.server.security_level, context.now},
                            edges);
    for (std::size_t i = 0; i + 1 < path.chain.size() && out.reason == Reason::kGranted; ++i) {
        std::string detail;
        const CrlStatus status = check_crls(crls, *path.chain[i], signers.signers_for(i), i == 0 ? of_leaf : rules,
                                            context.now, edges, detail);
        if (status == CrlStatus::kGood) continue;
        out.reason = status == CrlStatus::kRevoked ? Reason::kRevoked
                     : status == CrlStatus::kStale ? Reason::kRevocationStale
                                                   : Reason::kRevocationUnknown;
        out.detail = (i > 0 ? "an intermediate: " : "") + detail;
        if (i == 0 && status == CrlStatus::kUnknown && facts.no_rev_avail)
            out.detail += "; it has noRevAvail, but lives longer than MTLSShortLived allows";
    }
    for (const std::int64_t at : edges) narrow(out, context.now, at);
}

void describe_partner(const Policy& policy, const CertificateFacts& facts, Identification& out) {
    for (const GroupMembership& membership : out.partner->groups) {
        const bool member = membership.conditions.hold(facts, &out.path);
        const bool perhaps_member = membership.conditions.may_hold(facts, out.path);
        const auto& names = membership.names;
        if (member) out.groups.insert(out.groups.end(), names.begin(), names.end());
        if (member || perhaps_member) out.denied_groups.insert(out.denied_groups.end(), names.begin(), names.end());
    }
    for (const PartnerAttribute& attribute : out.partner->attributes) {
        std::optional<std::string> value(attribute.value);
        if (attribute.field) value = attribute.field->value(facts, out.path);
        if (value) out.variables.emplace_back(kAttributeVariable + std::string(attribute.name), std::move(*value));
    }
    out.description.groups = joined(out.groups, ",");
    out.description.identity = out.identity->text();
    out.description.sha256 = hex(bytes_of(facts.sha256));
    out.description.thumbprint = base64url(facts.sha256);
    if (!out.path.ca_keys.empty()) out.description.issuer_spki = hex(bytes_of(out.path.ca_keys.front()));
    std::vector<GrantedPath> granted;
    for (const std::span<const Grant> grants : {std::span<const Grant>(out.partner->grants), policy.grants()}) {
        for (const Grant& grant : grants) {
            if (!grant.conditions.hold(facts, &out.path)) continue;
            for (const PathPattern& path : grant.paths) {
                auto fields = path.find_fields(facts, out.path);
                if (fields.ok()) granted.push_back({&grant, &path, std::move(fields.value())});
            }
        }
    }
    out.grants = GrantedPaths(std::move(granted), out.partner->name);
}

// Narrows the validity interval to where no date of the policy or of these certificates changes the result.
void set_validity(const Policy& policy, const PresentedCertificate& presented, const ServerCas& server,
                  std::int64_t now, Identification& out) {
    const auto edge = [&](std::int64_t at) { narrow(out, now, at); };
    const auto [last, next] = policy.edges_around(now);
    if (last) edge(*last);
    if (next) edge(*next);
    const auto dates = [&](std::int64_t not_before, std::int64_t not_after) {
        edge(not_before);
        if (not_after < INT64_MAX) edge(not_after + 1);
    };
    dates(presented.facts.not_before, presented.facts.not_after);
    const auto dates_of = [&](const X509Ptr& c) {
        dates(epoch_of(X509_get0_notBefore(c.get())).value_or(now),
              epoch_of(X509_get0_notAfter(c.get())).value_or(now));
    };
    for (const X509Ptr& helper : presented.helpers) dates_of(helper);
    if (!policy.some_trust_mod_ssl()) return;
    for (const X509Ptr& ca : server.certificates) dates_of(ca);
}

}  // namespace

Reason contract_objection(const Partner& partner, const IdentifyContext& context, std::string& detail) {
    const std::int64_t now = context.now;
    const Suspension* const elsewhere = context.refusals.suspends(partner.name);
    if (partner.suspended || elsewhere != nullptr) {
        const std::string_view note = elsewhere != nullptr ? elsewhere->note : partner.suspension_note;
        detail = "MTLSSuspend at " + (elsewhere != nullptr ? elsewhere->where.str() : partner.suspended->str()) +
                 (note.empty() ? "" : ": " + std::string(note));
        return Reason::kSuspended;
    }
    if (partner.validity.contains(now)) return Reason::kGranted;
    detail = partner.validity.objection(now);
    return Reason::kOutsideContract;
}

Identification identify(const Policy& policy, const PresentedCertificate& presented, const IdentifyContext& context) {
    const auto& [server, refusals, crls, now] = context;
    Identification out;
    const CertificateFacts& facts = presented.facts;
    set_validity(policy, presented, server, now, out);
    if (!facts.malformed.empty()) {
        out.reason = Reason::kMalformedCertificate;
        out.detail = facts.malformed;
    } else if (facts.not_after < now) {
        out.reason = Reason::kExpired;
    } else if (now < facts.not_before) {
        out.reason = Reason::kNotYetValid;
    } else {
        const NearestCa nearest = find_nearest_ca(policy.cas(), presented, server, now);
        out.nearest_ca_key = nearest.key();
        const auto find_revocation = [&](const std::vector<std::string>& policies) {
            const RevocationLine* const own = policy.revocations().find(facts, nearest.above, policies);
            return own != nullptr ? own : context.refusals.revocations.find(facts, nearest.above, policies);
        };
        const RevocationLine* revocation = find_revocation(facts.policies);
        for (const RevocationSet* set : {&policy.revocations(), &context.refusals.revocations}) {
            if (revocation == nullptr) revocation = set->find_ca(nearest.cas, nearest.above);
        }
        if (revocation == nullptr) {
            const auto path = identify_by_path(policy, presented, nearest, server, now, out);
            if (path && path->facts.policies != facts.policies) revocation = find_revocation(path->facts.policies);
            if (path && revocation == nullptr) {
                check_path(policy, presented, *path, !nearest.found(), context, out);
                for (std::size_t i = 1; i + 1 < path->chain.size(); ++i)
                    out.intermediates.push_back(share(*path->chain[i]));
            }
        }
        if (revocation == nullptr) {
            if (out.reason != Reason::kGranted) return out;
            describe_partner(policy, facts, out);
            out.reason = contract_objection(*out.partner, context, out.detail);
            return out;
        }
        out.partner = nullptr;
        out.identity.reset();
        out.path = {};
        out.is_purpose_waived = out.is_crl_exempt = false;
        out.reason = Reason::kRevoked;
        out.detail = "MTLSRevoke at " + revocation->where.str() +
                     (revocation->note.empty() ? "" : ": " + std::string(revocation->note));
    }
    // The log names the claimed partners for early reasons too.
    for (const Policy::Match& match : policy.matching_identities(facts)) claim(out, match.partner, match.identity);
    return out;
}

bool has_ca(const Anchor& anchor, std::string_view spki_sha256) {
    return !spki_sha256.empty() && std::any_of(anchor.certificates.begin(), anchor.certificates.end(),
                                               [&](const auto& c) { return c.spki_sha256 == spki_sha256; });
}

bool has_anchor(const std::vector<const Partner*>& partners, std::string_view spki_sha256) {
    return std::any_of(partners.begin(), partners.end(), [&](const Partner* partner) {
        const auto& anchors = partner->anchors->anchors;
        return std::any_of(anchors.begin(), anchors.end(),
                           [&](const Anchor& anchor) { return has_ca(anchor, spki_sha256); });
    });
}

std::vector<const Partner*> claimed_by(const Policy& policy, const CertificateFacts& facts) {
    Identification out;
    for (const Policy::Match& match : policy.matching_identities(facts)) claim(out, match.partner, match.identity);
    return std::move(out.claimed);
}

Identification identify_at_any_time(const Policy& policy, const PresentedCertificate& presented,
                                    const ServerCas& server) {
    Identification out;
    if (!presented.facts.malformed.empty()) {
        out.reason = Reason::kMalformedCertificate;
        out.detail = presented.facts.malformed;
        return out;
    }
    const NearestCa nearest = find_nearest_ca(policy.cas(), presented, server, kAnyTime);
    if (identify_by_path(policy, presented, nearest, server, kAnyTime, out))
        describe_partner(policy, presented.facts, out);
    return out;
}

bool waives_purpose_of(const Policy& policy, const PresentedCertificate& presented, const ServerCas& server,
                       std::int64_t now) {
    if (!policy.some_waive_purpose() || !presented.facts.malformed.empty()) return false;
    Identification who;
    identify_by_path(policy, presented, find_nearest_ca(policy.cas(), presented, server, now), server, now, who);
    return who.is_purpose_waived;
}

}  // namespace mtls
