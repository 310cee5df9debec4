#include "mtls_authz/policy.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <openssl/x509v3.h>

#include "mtls_authz/crl_signers.hpp"
#include "mtls_authz/spiffe_id.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

const Partner* Policy::find(std::string_view name) const {
    const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                        [](const Partner* partner, std::string_view n) { return partner->name < n; });
    return found == by_name_.end() || (*found)->name != name ? nullptr : *found;
}

bool Policy::has_group(std::string_view name) const { return std::binary_search(groups_.begin(), groups_.end(), name); }

CertificateFile Policy::certificates_of(std::string_view digest) const {
    const auto found = std::lower_bound(certificates_.begin(), certificates_.end(), digest,
                                        [](const KnownCertificates& c, std::string_view d) { return c.digest < d; });
    return found != certificates_.end() && found->digest == digest ? CertificateFile(found->certificates)
                                                                   : CertificateFile();
}

std::vector<WatchedFiles> Policy::crl_files() const {
    std::vector<WatchedFiles> out;
    for (const CrlFile& f : crl_files_) out.push_back({std::string(f.pattern), std::string(f.spelled), f.where});
    return out;
}

// Lines, partners and files are found by numbers: these have to be there, too.
bool Policy::lies_in(const Bounds& in) const {
    std::size_t identities = 0;
    return in.hold_all(partners_, by_name_, groups_, cas_, edges_, index_, any_by_issuer_, revocations_, grants_,
                       front_keys_, expectations_, expected_certificates_, crl_files_, files_, certificates_,
                       generation_) &&
           std::all_of(partners_.begin(), partners_.end(),
                       [&](const Partner& partner) {
                           const bool follows = partner.first_identity == identities;
                           identities += partner.identities.size();
                           return follows;
                       }) &&
           identities == identity_count_ && index_.has_ids_below(identities) &&
           std::all_of(any_by_issuer_.begin(), any_by_issuer_.end(),
                       [&](const AnyLine& line) { return line.identity < identities; });
}

Policy::Match Policy::match_of(std::uint32_t identity) const {
    const auto after = std::upper_bound(partners_.begin(), partners_.end(), identity,
                                        [](std::uint32_t i, const Partner& p) { return i < p.first_identity; });
    const Partner& partner = *std::prev(after);
    return {&partner, partner.identities.at(identity - partner.first_identity), identity};
}

Policy::Searching Policy::searching() const {
    const bool always = index_.linear().size() >= index_.longest().size();
    const auto lines = always ? index_.linear() : index_.longest();
    if (lines.empty()) return {};
    return {lines.size(), always, match_of(lines.front()).identity};
}

// ---- identifying ----------------------------------------------------------------------------------------------

namespace {

// All certificates of a partner's files: intermediates first.
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

// `digests`: of each, or none.
std::vector<Link> links_to(const std::vector<X509Ptr>& certificates, const std::vector<std::string>& digests) {
    std::vector<Link> out;
    for (std::size_t i = 0; i < certificates.size(); ++i) {
        const bool known = digests.size() == certificates.size();
        out.emplace_back(certificates[i].get(), known ? std::string_view(digests[i]) : std::string_view());
    }
    return out;
}

bool has_intermediate(const Partner& partner, std::string_view sha256) {
    return std::any_of(partner.intermediates.begin(), partner.intermediates.end(), [&](const CertificateFile& file) {
        return std::any_of(file.begin(), file.end(), [&](const AnchorCertificate& c) { return c.sha256 == sha256; });
    });
}

// Of the certificates on the way those that were sent, and those of this partner where one is given.
std::vector<Link> helpers_for(const NearestCa& nearest, const Partner* partner) {
    std::vector<Link> out;
    for (const OnTheWay& ca : nearest.on_the_way) {
        const bool counts = ca.from_peer || (partner != nullptr && has_intermediate(*partner, ca.sha256));
        if (counts) out.emplace_back(ca.certificate.get(), ca.sha256);
    }
    return out;
}

}  // namespace

std::vector<Policy::Match> Policy::matching_identities(const CertificateFacts& facts) const {
    std::vector<Match> matches;
    for (const std::uint32_t id : index_.candidates(facts, {})) {
        const Match match = match_of(id);
        if (match.identity.selectors.hold(facts, nullptr)) matches.push_back(match);
    }
    return matches;
}

void Policy::add_any_matches(const NearestCa& nearest, const CertificateFacts& facts,
                             std::vector<Match>& matches) const {
    const std::size_t before = matches.size();
    const std::vector<std::string> leaf = {facts.sha256};
    for (const std::string& issuer : nearest.is_leaf_itself ? leaf : nearest.ca_ids) {
        auto found = std::lower_bound(any_by_issuer_.begin(), any_by_issuer_.end(), issuer,
                                      [](const AnyLine& line, std::string_view id) { return line.issuer < id; });
        for (; found != any_by_issuer_.end() && found->issuer == issuer; ++found) {
            matches.push_back(match_of(found->identity));
        }
    }
    if (matches.size() == before) return;
    std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.order < b.order; });
}

namespace {

// Why a path that OpenSSL takes for a server's is not one of certificates that were made for that, and with keys that
// sign: OpenSSL also takes those of server-gated cryptography, and of RSA key exchange.
std::string purpose_objection(const PathAnswer& path) {
    const auto is_for_servers = [](const X509Ptr& c) {
        const bool is_restricted = (X509_get_extension_flags(c.get()) & EXFLAG_XKUSAGE) != 0;
        return !is_restricted || (X509_get_extended_key_usage(c.get()) & XKU_SSL_SERVER) != 0;
    };
    const bool signs = (X509_get_key_usage(path.chain.front().get()) & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)) != 0;
    if (signs && std::all_of(path.chain.begin(), path.chain.end(), is_for_servers)) return {};
    return "the certificates are neither made for clients nor for servers (extendedKeyUsage, keyUsage)";
}

}  // namespace

// Answers "is this identity's partner entitled to the nearest CA, and does the path hold?", each path once.
struct Policy::Candidates {
    const Policy& policy;
    const PresentedCertificate& presented;
    const ServerCas& server;
    std::int64_t now;
    const NearestCa& nearest;
    CertificatesInHand& in_hand;
    std::map<std::pair<int, std::vector<X509*>>, PathAnswer> verified = {};
    std::string last_failure = {};

    // The certificates of this partner's anchors that are the nearest CA: what the path may end at.
    std::vector<Link> trusted_for(const Match& match) {
        std::vector<Link> trusted;
        for (const Anchor& anchor : match.partner->anchors->anchors) {
            if (!anchor.window.contains(now)) continue;
            if (match.identity.anchor && *match.identity.anchor != anchor.file) continue;
            for (const AnchorCertificate& c : anchor.certificates) {
                const bool is_nearest = nearest.is_leaf_itself
                                            ? !c.is_ca && c.sha256 == presented.facts.sha256
                                            : c.is_ca && std::any_of(nearest.ca_ids.begin(), nearest.ca_ids.end(),
                                                                     [&](const auto& id) { return c.has_ca_id(id); });
                if (is_nearest && is_of_trust_domain(anchor)) trusted.push_back(in_hand.link(c));
            }
        }
        return trusted;
    }

    // Under a SPIFFE bundle, only X509-SVIDs of its trust domain count.
    bool is_of_trust_domain(const Anchor& anchor) {
        if (anchor.trust_domain.empty()) return true;
        const std::string fault = svid_fault(presented.facts, anchor.trust_domain);
        if (!fault.empty()) last_failure = fault;
        return fault.empty();
    }

    PathAnswer& verify(const std::vector<Link>& trusted, const std::vector<Link>& helpers,
                       int purpose = X509_PURPOSE_SSL_CLIENT) {
        std::pair<int, std::vector<X509*>> key = {purpose, {}};
        for (const Link& link : trusted) key.second.push_back(link.certificate);
        key.second.push_back(nullptr);
        for (const Link& link : helpers) key.second.push_back(link.certificate);
        const auto found = verified.find(key);
        if (found != verified.end()) return found->second;
        const bool for_servers = purpose == X509_PURPOSE_SSL_SERVER;
        const auto objection = [this, for_servers](const PathAnswer& path) {
            const std::string other = for_servers ? purpose_objection(path) : std::string();
            return other.empty() ? policy.objection_to(path, now) : other;
        };
        PathAnswer answer =
            verify_path({leaf_link(), trusted, helpers, server.security_level, now, purpose, objection});
        answer.facts.leaf_twin = nearest.leaf_twin;
        answer.is_for_servers = for_servers;
        if (!answer.ok) last_failure = answer.detail;
        return verified.emplace(std::move(key), std::move(answer)).first->second;
    }

    // As clients' certificates or, where this partner says so, as servers'.
    PathAnswer& verify_for(const Match& match, const std::vector<Link>& trusted, const std::vector<Link>& helpers) {
        PathAnswer& answer = verify(trusted, helpers);
        const auto& waiver = match.partner->server_purpose;
        return answer.ok || !waiver || !waiver->contains(now) ? answer
                                                              : verify(trusted, helpers, X509_PURPOSE_SSL_SERVER);
    }

    // The path that entitles this identity's partner, or nullptr.
    PathAnswer* path_for(const Match& match) {
        const auto trusted = trusted_for(match);
        if (!trusted.empty()) {
            // A certificate that is an anchor itself is its own path, whatever was sent with it.
            const auto helpers = nearest.is_leaf_itself ? std::vector<Link>() : helpers_for(nearest, match.partner);
            PathAnswer& answer = verify_for(match, trusted, helpers);
            return answer.ok ? &answer : nullptr;
        }
        const bool by_server = match.partner->anchors->uses_mod_ssl && !nearest.found() &&
                               (!match.identity.anchor || *match.identity.anchor == "mod_ssl");
        return by_server ? server_path(match) : nullptr;
    }

    // mod_ssl's CAs count only where no CA of the path is one that the policy names.
    PathAnswer* server_path(const Match& match) {
        PathAnswer& answer =
            verify_for(match, links_to(server.certificates, server.digests), helpers_for(nearest, match.partner));
        if (!answer.ok) return nullptr;
        const bool named = std::any_of(answer.ca_ids.begin(), answer.ca_ids.end(),
                                       [&](const std::string& id) { return policy.cas_.names(id, now); });
        if (named) last_failure = "a CA on the path is a partner's own trust anchor";
        return named ? nullptr : &answer;
    }

    PathAnswer& server_answer(const std::vector<Link>& helpers) {
        return verify(links_to(server.certificates, server.digests), helpers);
    }

    Link leaf_link() const {
        const CertificateFacts& facts = presented.facts;
        return {presented.leaf.get(), facts.sha256, facts.not_before, facts.not_after};
    }
};

namespace {

void claim(Identification& out, const Partner* partner, const Identity& identity) {
    constexpr std::size_t kMostClaimed = 3;
    if (!out.claimed_identity) out.claimed_identity = identity;
    const bool known = std::find(out.claimed.begin(), out.claimed.end(), partner) != out.claimed.end();
    if (!known && out.claimed.size() < kMostClaimed) out.claimed.push_back(partner);
}

}  // namespace

namespace {

// Why no CA of the policy was found, where that can be said; else "".
std::string describe_obstacle(const PresentedCertificate& presented, const NearestCa& nearest, bool other_key) {
    if (presented.left_out.count > 0) return describe_left_out(presented.helpers, presented.left_out);
    if (nearest.is_too_deep)
        return "above the certificate there are more intermediates than the 10 that a path may have";
    if (!nearest.unknown_algorithm.empty()) return nearest.unknown_algorithm;
    return other_key ? "a CA on the path has the name of a trust anchor and another key" : "";
}

}  // namespace

// The nearest CA that the policy names is read off the path: by each CA's own name and key, not by how a certificate
// below spells its issuer.
std::string Policy::objection_to(const PathAnswer& path, std::int64_t now) const {
    const auto text_of_ca = [&](std::size_t i) {
        return "the CA \"" + read_name(*X509_get_subject_name(path.chain[i + 1].get())).text() + "\" ";
    };
    for (std::size_t i = 0; i + 1 < path.ca_ids.size(); ++i) {
        if (cas_.names(path.ca_ids[i], now)) return text_of_ca(i) + "on the path is another trust anchor of the policy";
        // A CA that certifies a new key of its own (RFC 4210 4.4) is one CA, which issues under both.
        for (std::size_t issuer = i + 1; issuer < path.ca_ids.size(); ++issuer) {
            X509& ca = *path.chain[issuer + 1];
            const auto* renewed = cas_.renewed_as(path.ca_ids[i], ca, path.facts.ca_keys[issuer], now);
            if (renewed != nullptr) {
                return text_of_ca(i) + "is the trust anchor \"" +
                       std::string(renewed->certificates.front()->subject_text) +
                       "\" under another key or name: to let in what it issues, name it with MTLSTrustAnchor";
            }
            if (X509_NAME_cmp(X509_get_subject_name(&ca), X509_get_issuer_name(&ca)) != 0) break;
        }
    }
    return {};
}

// The path, where one partner alone is identified.
std::optional<PathAnswer> Policy::identify_by_path(const PresentedCertificate& presented, const NearestCa& nearest,
                                                   const ServerCas& server, std::int64_t now,
                                                   Identification& out) const {
    CertificatesInHand in_hand;
    Candidates candidates{*this, presented, server, now, nearest, in_hand};

    const std::vector<Match> named = matching_identities(presented.facts);
    std::vector<Match> matches = named;
    add_any_matches(nearest, presented.facts, matches);

    std::vector<Match> fitting;  // the first identity of each partner that fits, anchor included; two are enough
    PathAnswer* fitting_path = nullptr;  // of the first
    bool failed_under_own_anchor = false;
    for (const Match& match : matches) {
        if (fitting.size() == 2) break;
        if (!fitting.empty() && fitting.back().partner == match.partner) continue;
        PathAnswer* const path = candidates.path_for(match);
        if (path == nullptr) {
            failed_under_own_anchor = failed_under_own_anchor || !candidates.trusted_for(match).empty();
        } else if (match.identity.selectors.hold(presented.facts, &path->facts)) {
            if (fitting.empty()) fitting_path = path;
            fitting.push_back(match);
        }
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
        for (const Match& match : fitting) claim(out, match.partner, match.identity);
        return std::nullopt;
    }

    // Nobody fits. Which of the three words says best why?
    bool reachable = nearest.found();
    if (!reachable && some_trust_mod_ssl_) reachable = candidates.server_answer(helpers_for(nearest, nullptr)).ok;
    for (const Match& match : matches) {
        // Where there is a path, what the identity asks of it is all that differs.
        const PathAnswer* const path = candidates.path_for(match);
        if (path == nullptr) claim(out, match.partner, match.identity);
        if (path != nullptr) out.path = path->facts;
    }
    out.detail = candidates.last_failure;
    if (!reachable) {
        const bool other_key = nearest.same_name_other_key && nearest.unknown_algorithm.empty() && !named.empty();
        out.reason = other_key ? Reason::kWrongIssuer : Reason::kNotVerified;
        const std::string obstacle = describe_obstacle(presented, nearest, other_key);
        if (!obstacle.empty()) out.detail = obstacle;
    } else if (!out.claimed.empty() || failed_under_own_anchor) {
        out.reason = Reason::kWrongIssuer;
    } else {
        out.reason = Reason::kUnknownPartner;
    }
    return std::nullopt;
}

namespace {

// Narrows the span in which an answer holds by an instant at which it may change.
void narrow(Identification& out, std::int64_t now, std::int64_t at) {
    if (at <= now) out.valid_from = std::max(out.valid_from, at);
    if (at > now) out.valid_until = std::min(out.valid_until, at - 1);
}

}  // namespace

// RFC 5280 6.3 for each certificate below the anchor, the leaf first.
void Policy::check_crls(const PresentedCertificate& presented, const PathAnswer& path, bool by_server,
                        const Surroundings& around, Identification& out) const {
    const CrlRules rules = out.partner->crl_rules.over(crl_rules_);
    const CertificateFacts& facts = presented.facts;
    CrlRules of_leaf = rules;
    if (rules.spares(facts.no_rev_avail, facts.not_before, facts.not_after)) of_leaf.required = false;
    out.is_crl_spared = of_leaf.required != rules.required && rules.required.value_or(false);
    CrlSets crls = {&around.crls};
    if (by_server && around.server.crls) crls.push_back(around.server.crls.get());
    CertificatesInHand in_hand;
    const auto trusted_files = [&](const std::string& name) {
        auto named = cas_.cas_named(name, around.now);
        for (std::size_t i = 0; by_server && i < around.server.certificates.size(); ++i) {
            X509& ca = *around.server.certificates[i];
            if (read_name(*X509_get_subject_name(&ca)).canonical == name) named.push_back(share(ca));
        }
        return named;
    };
    const auto helpers = [&] {
        std::vector<Link> links = links_to(presented.helpers, presented.helper_digests);
        for (const AnchorCertificate* c : files_of(*out.partner)) links.push_back(in_hand.link(*c));
        if (!by_server) return links;
        for (const Link& link : links_to(around.server.certificates, around.server.digests)) links.push_back(link);
        return links;
    };
    std::vector<std::int64_t> edges;
    CrlSignerSearch signers(
        path.chain, crls, {trusted_files, helpers, presented.helpers, around.server.security_level, around.now}, edges);
    for (std::size_t i = 0; i + 1 < path.chain.size() && out.reason == Reason::kGranted; ++i) {
        std::string detail;
        const CrlStatus status = mtls::check_crls(crls, *path.chain[i], signers.signers_for(i),
                                                  i == 0 ? of_leaf : rules, around.now, edges, detail);
        if (status == CrlStatus::kGood) continue;
        out.reason = status == CrlStatus::kRevoked ? Reason::kRevoked
                     : status == CrlStatus::kStale ? Reason::kRevocationStale
                                                   : Reason::kRevocationUnknown;
        out.detail = (i > 0 ? "an intermediate: " : "") + detail;
        if (i == 0 && status == CrlStatus::kUnknown && facts.no_rev_avail)
            out.detail += "; it has noRevAvail, but lives longer than MTLSShortLived allows";
    }
    for (const std::int64_t at : edges) narrow(out, around.now, at);
}

void Policy::describe_partner(const CertificateFacts& facts, Identification& out) const {
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
        if (value) out.variables.emplace_back("MTLS_ATTR_" + std::string(attribute.name), std::move(*value));
    }
    for (const std::string& group : out.groups) {
        out.description.groups += (out.description.groups.empty() ? "" : ",") + group;
    }
    out.description.identity = out.identity->text();
    out.description.sha256 = hex(bytes_of(facts.sha256));
    out.description.thumbprint = base64url(facts.sha256);
    std::vector<GrantedPath> granted;
    for (const auto& grants : {out.partner->grants, grants_}) {
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

Reason Policy::contract_objection(const Partner& partner, const Surroundings& around, std::string& detail) {
    const std::int64_t now = around.now;
    const Place* const elsewhere = around.refusals.suspends(partner.name);
    if (partner.suspended || elsewhere != nullptr) {
        detail = "MTLSSuspend at " + (elsewhere != nullptr ? elsewhere->str() : partner.suspended->str());
        return Reason::kSuspended;
    }
    if (partner.validity.contains(now)) return Reason::kGranted;
    detail = partner.validity.from && now < *partner.validity.from
                 ? "begins " + format_time(*partner.validity.from)
                 : "ended " + format_time(partner.validity.until.value_or(now));
    return Reason::kOutsideContract;
}

// The span around `now` in which no date of the policy and of the certificates at hand changes sides.
void Policy::set_validity(const PresentedCertificate& presented, const ServerCas& server, std::int64_t now,
                          Identification& out) const {
    const auto edge = [&](std::int64_t at) { narrow(out, now, at); };
    const auto next = std::upper_bound(edges_.begin(), edges_.end(), now);
    if (next != edges_.end()) edge(*next);
    if (next != edges_.begin()) edge(*std::prev(next));
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
    if (!some_trust_mod_ssl_) return;
    for (const X509Ptr& ca : server.certificates) dates_of(ca);
}

Identification Policy::identify(const PresentedCertificate& presented, const Surroundings& around) const {
    const auto& [server, refusals, crls, now] = around;
    Identification out;
    const CertificateFacts& facts = presented.facts;
    set_validity(presented, server, now, out);
    if (!facts.malformed.empty()) {
        out.reason = Reason::kMalformedCertificate;
        out.detail = facts.malformed;
    } else if (facts.not_after < now) {
        out.reason = Reason::kExpired;
    } else if (now < facts.not_before) {
        out.reason = Reason::kNotYetValid;
    } else {
        const NearestCa nearest = find_nearest_ca(cas_, presented, server, now);
        constexpr std::size_t kDigest = 32;  // a CA id begins with the digest of its key
        if (!nearest.ca_ids.empty()) out.nearest_ca_key = nearest.ca_ids.front().substr(0, kDigest);
        const auto find_revocation = [&](const std::vector<std::string>& policies) {
            const RevocationLine* const own = revocations_.find(facts, nearest.above, policies);
            return own != nullptr ? own : around.refusals.revocations.find(facts, nearest.above, policies);
        };
        const RevocationLine* revocation = find_revocation(facts.policies);
        for (const RevocationSet* set : {&revocations_, &around.refusals.revocations}) {
            if (revocation == nullptr) revocation = set->find_ca(nearest.cas, nearest.above);
        }
        if (revocation == nullptr) {
            const auto path = identify_by_path(presented, nearest, server, now, out);
            if (path && path->facts.policies != facts.policies) revocation = find_revocation(path->facts.policies);
            if (path && revocation == nullptr) {
                check_crls(presented, *path, !nearest.found(), around, out);
                for (std::size_t i = 1; i + 1 < path->chain.size(); ++i)
                    out.intermediates.push_back(share(*path->chain[i]));
            }
        }
        if (revocation == nullptr) {
            if (out.reason != Reason::kGranted) return out;
            describe_partner(facts, out);
            out.reason = contract_objection(*out.partner, around, out.detail);
            return out;
        }
        out.partner = nullptr;
        out.identity.reset();
        out.path = {};
        out.is_purpose_waived = out.is_crl_spared = false;
        out.reason = Reason::kRevoked;
        out.detail = "MTLSRevoke at " + revocation->where.str() +
                     (revocation->note.empty() ? "" : ": " + std::string(revocation->note));
    }
    // An early reason still looks up whom the certificate claims to be, for the log.
    for (const Match& match : matching_identities(facts)) claim(out, match.partner, match.identity);
    return out;
}

std::string Partner::network_objection(std::string_view address) const {
    const std::string_view raw = without_mapping(address);
    const auto holds = [raw](const Network& network) { return network.contains(raw); };
    if (networks.empty() || std::any_of(networks.begin(), networks.end(), holds)) return {};
    constexpr std::size_t kMostTold = 8;
    const std::size_t more = networks.size() - std::min(networks.size(), kMostTold);
    const bool is_ip = raw.size() == 4 || raw.size() == 16;
    return (is_ip ? ip_text(raw) : "a client without an IP address") + " is not in " +
           texts_of(std::span(networks).first(networks.size() - more)) +
           (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::string names_of(const std::vector<const Partner*>& partners, std::string_view separator) {
    std::string out;
    for (const Partner* partner : partners) {
        out += out.empty() ? "" : separator;
        out += partner->name;
    }
    return out;
}

std::vector<const Partner*> Policy::claimed_by(const CertificateFacts& facts) const {
    Identification out;
    for (const Match& match : matching_identities(facts)) claim(out, match.partner, match.identity);
    return std::move(out.claimed);
}

Identification Policy::identify_at_any_time(const PresentedCertificate& presented, const ServerCas& server) const {
    Identification out;
    if (!presented.facts.malformed.empty()) {
        out.reason = Reason::kMalformedCertificate;
        out.detail = presented.facts.malformed;
        return out;
    }
    const NearestCa nearest = find_nearest_ca(cas_, presented, server, kAnyTime);
    if (identify_by_path(presented, nearest, server, kAnyTime, out)) describe_partner(presented.facts, out);
    return out;
}

bool Policy::waives_purpose_of(const PresentedCertificate& presented, const ServerCas& server, std::int64_t now) const {
    if (!some_waive_purpose_ || !presented.facts.malformed.empty()) return false;
    Identification who;
    identify_by_path(presented, find_nearest_ca(cas_, presented, server, now), server, now, who);
    return who.is_purpose_waived;
}

}  // namespace mtls
