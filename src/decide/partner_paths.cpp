#include "mtls_authz/decide/partner_paths.hpp"

#include <openssl/x509v3.h>

#include <algorithm>

#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

bool has_intermediate(const Partner& partner, std::string_view sha256) {
    return std::any_of(partner.intermediates.begin(), partner.intermediates.end(), [&](const CertificateFile& file) {
        return std::any_of(file.begin(), file.end(), [&](const AnchorCertificate& c) { return c.sha256 == sha256; });
    });
}

// The intermediates that the client sent, plus those of `partner` unless it is null.
std::vector<Link> helpers_for(const NearestCa& nearest, const Partner* partner) {
    std::vector<Link> out;
    for (const IntermediateCa& ca : nearest.intermediates) {
        const bool counts = ca.from_peer || (partner != nullptr && has_intermediate(*partner, ca.sha256));
        if (counts) out.emplace_back(ca.certificate.get(), ca.sha256);
    }
    return out;
}

// Why a path that OpenSSL accepts for servers does not count: a certificate restricts its purpose to something else, or
// the leaf's key may not sign. OpenSSL also accepts server-gated cryptography and RSA key exchange.
std::string purpose_objection(const PathAnswer& path) {
    const auto is_for_servers = [](const X509Ptr& c) {
        const bool is_restricted = (X509_get_extension_flags(c.get()) & EXFLAG_XKUSAGE) != 0;
        return !is_restricted || (X509_get_extended_key_usage(c.get()) & XKU_SSL_SERVER) != 0;
    };
    const bool signs = (X509_get_key_usage(path.chain.front().get()) & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)) != 0;
    if (signs && std::all_of(path.chain.begin(), path.chain.end(), is_for_servers)) return {};
    return "the certificates are neither made for clients nor for servers (extendedKeyUsage, keyUsage)";
}

// The ids that the leaf has as a CA, by each encoding of its key; none if its issuer does not call it a CA.
std::vector<std::string> ids_as_ca(const PresentedCertificate& presented) {
    X509& leaf = *presented.leaf;
    if ((X509_get_extension_flags(&leaf) & EXFLAG_CA) == 0 && X509_check_ca(&leaf) == 0) return {};
    const CertificateFacts& facts = presented.facts;
    std::vector<std::string> ids = {facts.spki_sha256 + facts.subject.canonical};
    for (const std::string& key : facts.other_spki_sha256) ids.push_back(key + facts.subject.canonical);
    return ids;
}

}  // namespace

std::vector<Link> links_to(const std::vector<X509Ptr>& certificates, const std::vector<std::string>& digests) {
    std::vector<Link> out;
    for (std::size_t i = 0; i < certificates.size(); ++i) {
        const bool has_digests = digests.size() == certificates.size();
        out.emplace_back(certificates[i].get(), has_digests ? std::string_view(digests[i]) : std::string_view());
    }
    return out;
}

// Reads the nearest CA of the policy from the path: by each CA's own name and key, not by the issuer field of the
// certificate below. The leaf is read too, or a named CA could be a client of the CA above it.
std::string PartnerPaths::objection_to(const PathAnswer& path) const {
    if (path.ca_ids.empty()) return {};  // the leaf itself is the anchor
    if (policy_.cas().has_leaf_anchor(nearest_.leaf_twin, now_)) {
        return "the certificate is a trust anchor of the policy with the other form of its ECDSA signature: the client "
               "has to send the anchor itself";
    }
    for (const std::string& id : ids_as_ca(presented_)) {
        std::string objection = objection_to_ca(path, 0, id);
        if (!objection.empty()) return objection;
    }
    for (std::size_t i = 0; i + 1 < path.ca_ids.size(); ++i) {
        std::string objection = objection_to_ca(path, i + 1, path.ca_ids[i]);
        if (!objection.empty()) return objection;
    }
    return {};
}

// `at`: of the CA `id` in path.chain; 0 is the leaf.
std::string PartnerPaths::objection_to_ca(const PathAnswer& path, std::size_t at, const std::string& id) const {
    const auto text = [&] {
        return at == 0 ? "the certificate itself "
                       : "the CA \"" + read_name(*X509_get_subject_name(path.chain[at].get())).text() + "\" ";
    };
    if (policy_.cas().names(id, now_)) {
        return text() + (at == 0
                             ? "is a CA's, and a trust anchor of the policy: its clients need certificates of their own"
                             : "on the path is another trust anchor of the policy");
    }
    // A CA that certifies its own new key (RFC 4210 4.4) is one CA, which issues with both keys.
    for (std::size_t issuer = at; issuer < path.ca_ids.size(); ++issuer) {
        X509& ca = *path.chain[issuer + 1];
        const auto* successor = policy_.cas().find_successor(id, ca, path.facts.ca_keys[issuer], now_);
        if (successor != nullptr) {
            return text() + "is the trust anchor \"" + std::string(successor->certificates.front()->subject_text) +
                   "\" under another key or name: to let in what it issues, name it with MTLSTrustAnchor";
        }
        if (!names_as_issuer(ca, ca)) break;
    }
    return {};
}

std::vector<Link> PartnerPaths::trusted_for(const Policy::Match& match) {
    std::vector<Link> trusted;
    for (const Anchor& anchor : match.partner->anchors->anchors) {
        if (!anchor.window.contains(now_)) continue;
        if (match.identity.anchor && *match.identity.anchor != anchor.file) continue;
        for (const AnchorCertificate& c : anchor.certificates) {
            if (is_nearest(c) && is_of_trust_domain(anchor)) trusted.push_back(held_.link(c));
        }
    }
    return trusted;
}

bool PartnerPaths::is_nearest(const AnchorCertificate& c) const {
    if (nearest_.is_leaf_itself) return !c.is_ca && c.sha256 == presented_.facts.sha256;
    const auto& ids = nearest_.ca_ids;
    return c.is_ca && std::any_of(ids.begin(), ids.end(), [&](const auto& id) { return c.has_ca_id(id); });
}

// Under a SPIFFE bundle, only X509-SVIDs of its trust domain count.
bool PartnerPaths::is_of_trust_domain(const Anchor& anchor) {
    if (anchor.trust_domain.empty()) return true;
    const std::string fault = svid_fault(presented_.facts, anchor.trust_domain);
    if (!fault.empty()) last_failure_ = fault;
    return fault.empty();
}

PathAnswer& PartnerPaths::verify(const std::vector<Link>& trusted, const std::vector<Link>& helpers, int purpose) {
    std::pair<int, std::vector<X509*>> key = {purpose, {}};
    for (const Link& link : trusted) key.second.push_back(link.certificate);
    key.second.push_back(nullptr);
    for (const Link& link : helpers) key.second.push_back(link.certificate);
    const auto found = verified_.find(key);
    if (found != verified_.end()) return found->second;
    const bool for_servers = purpose == X509_PURPOSE_SSL_SERVER;
    const auto objection = [this, for_servers](const PathAnswer& path) {
        const std::string other = for_servers ? purpose_objection(path) : std::string();
        return other.empty() ? objection_to(path) : other;
    };
    PathAnswer answer = verify_path({leaf_link(), trusted, helpers, server_.security_level, now_, purpose, objection});
    answer.facts.leaf_twin = nearest_.leaf_twin;
    answer.is_for_servers = for_servers;
    if (!answer.ok) last_failure_ = answer.detail;
    return verified_.emplace(std::move(key), std::move(answer)).first->second;
}

// For the purpose of clients or, if the partner permits it, of servers.
PathAnswer& PartnerPaths::verify_for(const Policy::Match& match, const std::vector<Link>& trusted,
                                     const std::vector<Link>& helpers) {
    PathAnswer& answer = verify(trusted, helpers, X509_PURPOSE_SSL_CLIENT);
    const auto& waiver = match.partner->server_purpose;
    return answer.ok || !waiver || !waiver->contains(now_) ? answer : verify(trusted, helpers, X509_PURPOSE_SSL_SERVER);
}

PathAnswer* PartnerPaths::path_for(const Policy::Match& match) {
    const auto trusted = trusted_for(match);
    if (!trusted.empty()) {
        // A certificate that is itself an anchor is its own path; other certificates are ignored.
        const auto helpers = nearest_.is_leaf_itself ? std::vector<Link>() : helpers_for(nearest_, match.partner);
        PathAnswer& answer = verify_for(match, trusted, helpers);
        return answer.ok ? &answer : nullptr;
    }
    const bool by_server = match.partner->anchors->uses_mod_ssl && !nearest_.found() &&
                           (!match.identity.anchor || *match.identity.anchor == kModSsl);
    return by_server ? server_path(match) : nullptr;
}

// mod_ssl's CAs count only if the policy names no CA of the path.
PathAnswer* PartnerPaths::server_path(const Policy::Match& match) {
    PathAnswer& answer =
        verify_for(match, links_to(server_.certificates, server_.digests), helpers_for(nearest_, match.partner));
    if (!answer.ok) return nullptr;
    const bool named = std::any_of(answer.ca_ids.begin(), answer.ca_ids.end(),
                                   [&](const std::string& id) { return policy_.cas().names(id, now_); });
    if (named) last_failure_ = "a CA on the path is a partner's own trust anchor";
    return named ? nullptr : &answer;
}

std::string PartnerPaths::anchor_fault() {
    std::vector<Link> certificates = {leaf_link()};
    for (const IntermediateCa& ca : nearest_.intermediates) certificates.emplace_back(ca.certificate.get(), ca.sha256);
    for (const Link& below : certificates) {
        const std::string issuer = read_name(*X509_get_issuer_name(below.certificate)).canonical;
        for (const AnchorCertificate* c : policy_.cas().leaf_anchors_named(issuer)) {
            X509& ca = *held_.get(*c);
            const bool is_faulty = policy_.cas().has_leaf_anchor(c->sha256, now_) && !why_it_issues_nothing(ca).empty();
            if (is_faulty && is_signed_by(*below.certificate, below.sha256, c->spki_sha256, [&] { return &ca; }))
                return describe_invalid_ca(ca);
        }
    }
    return {};
}

std::string PartnerPaths::nearest_fault(const std::vector<const Partner*>& claimed) const {
    if (claimed.empty() || !nearest_.found()) return {};
    const std::string names = joined(claimed, ", ", [](const Partner* partner) { return partner->name.view(); });
    const auto has_nearest = [&](const Anchor& anchor) {
        const auto& all = anchor.certificates;
        return anchor.window.contains(now_) &&
               std::any_of(all.begin(), all.end(), [&](const AnchorCertificate& c) { return is_nearest(c); });
    };
    const bool is_own = std::any_of(claimed.begin(), claimed.end(), [&](const Partner* partner) {
        const auto& anchors = partner->anchors->anchors;
        return std::any_of(anchors.begin(), anchors.end(), has_nearest);
    });
    std::string what = "the certificate itself";
    for (const X509Ptr& ca : nearest_.cas) {
        const DistinguishedName name = read_name(*X509_get_subject_name(ca.get()));
        if (!nearest_.ca_ids.empty() && spki_sha256(*ca) + name.canonical == nearest_.ca_ids.front())
            what = "the nearest CA above it that the policy names (" + name.text() + ")";
    }
    if (is_own) return what + " is an anchor of " + names + ", but not the one of anchor= beside that MTLSIdentity";
    return what + std::string(kAnchorOfOthers) + names;
}

bool PartnerPaths::server_trusts_it() {
    return verify(links_to(server_.certificates, server_.digests), helpers_for(nearest_, nullptr),
                  X509_PURPOSE_SSL_CLIENT)
        .ok;
}

Link PartnerPaths::leaf_link() const {
    const CertificateFacts& facts = presented_.facts;
    return {presented_.leaf.get(), facts.sha256, facts.not_before, facts.not_after};
}

}  // namespace mtls
