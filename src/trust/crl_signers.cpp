#include "mtls_authz/trust/crl_signers.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/public_key.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

bool is_among(const X509& certificate, std::span<const X509Ptr> all) {
    return std::any_of(all.begin(), all.end(), [&](const X509Ptr& c) { return X509_cmp(c.get(), &certificate) == 0; });
}

DistinguishedName subject_of(const X509& certificate) { return read_name(*X509_get_subject_name(&certificate)); }

bool bears(const X509& certificate, const std::string& name) { return subject_of(certificate).canonical == name; }

// A CA is its name and its key (RFC 5280 6.1.1 (d)).
bool is_same_ca(const X509& a, const X509& b) {
    return X509_NAME_cmp(X509_get_subject_name(&a), X509_get_subject_name(&b)) == 0 && key_sha256(a) == key_sha256(b);
}

bool have_common_ca(const std::vector<X509Ptr>& some, const std::vector<X509Ptr>& others) {
    return std::any_of(some.begin(), some.end(), [&](const X509Ptr& a) {
        return std::any_of(others.begin(), others.end(), [&](const X509Ptr& b) { return is_same_ca(*a, *b); });
    });
}

bool has_issued(X509& ca, X509& certificate) {
    return names_as_issuer(certificate, ca) &&
           is_signed_by(certificate, certificate_sha256(certificate), spki_sha256(ca), [&ca] { return &ca; });
}

// Links of borrowed certificates, for a path.
struct Links {
    std::vector<std::string> digests;
    std::vector<Link> all;

    explicit Links(const std::vector<X509Ptr>& certificates) {
        for (const X509Ptr& c : certificates) digests.push_back(certificate_sha256(*c));
        for (std::size_t i = 0; i < digests.size(); ++i) all.emplace_back(certificates[i].get(), digests[i]);
    }
    Links(const Links&) = delete;  // the links refer to the digests
    Links& operator=(const Links&) = delete;
};

std::string without_path(const std::string& obstacle) {
    return "its signer has no path to a trust anchor: " + obstacle;
}

// Why no path leads from a signer to the anchors above it; "" if one does.
std::string find_obstacle(X509& signer, const Ancestry& above, int security_level) {
    if (above.anchors.empty()) {
        X509& last = above.between.empty() ? signer : *above.between.back();
        const std::string issuer = read_name(*X509_get_issuer_name(&last)).text();
        return has_issued(last, last) ? in_double_quotes(issuer) + " issued itself, and is none"
                                      : "the certificate of " + in_double_quotes(issuer) +
                                            " that issued it is not at hand: add it with MTLSIntermediate";
    }
    const Links ends(above.anchors), helpers(above.between);
    const std::string digest = certificate_sha256(signer);
    const PathAnswer path =
        verify_path({Link(&signer, digest), ends.all, helpers.all, security_level, kAnyTime, X509_PURPOSE_ANY});
    return path.ok ? "" : path.detail;
}

}  // namespace

Ancestry ancestry_of(X509& certificate, const CasByName& cas, const CasByName& anchors) {
    constexpr std::size_t kMost = 64;  // CAs: cross-certificates can form many paths
    const auto is_anchor = [&](const X509& ca) { return is_among(ca, anchors(subject_of(ca).canonical)); };
    Ancestry out;
    std::vector<X509Ptr> found;  // the certificate itself, then those between
    found.push_back(share(certificate));
    if (is_anchor(certificate)) std::swap(out.anchors, found);
    for (std::size_t i = 0; i < found.size() && found.size() < kMost; ++i) {
        X509& below = *found[i];
        for (X509Ptr& ca : cas(read_name(*X509_get_issuer_name(&below)).canonical)) {
            if (is_among(*ca, found) || is_among(*ca, out.anchors) || !has_issued(*ca, below)) continue;
            (is_anchor(*ca) ? out.anchors : found).push_back(std::move(ca));
        }
    }
    if (!found.empty())
        out.between.assign(std::make_move_iterator(found.begin() + 1), std::make_move_iterator(found.end()));
    return out;
}

CasByName topmost_of(const std::vector<X509Ptr>& certificates) {
    return [&certificates](const std::string& name) {
        std::vector<X509Ptr> out = by_name(certificates)(name);
        std::erase_if(out, [&](const X509Ptr& ca) {
            const bool is_issued = std::any_of(certificates.begin(), certificates.end(), [&](const X509Ptr& other) {
                return X509_cmp(other.get(), ca.get()) != 0 && has_issued(*other, *ca);
            });
            return is_issued && !has_issued(*ca, *ca);
        });
        return out;
    };
}

std::string find_gap(const CrlSet& crls, const Crl& list, const CasByName& cas, const CasByName& anchors) {
    const ErrorQueueGuard errors;
    const std::vector<X509Ptr> named = cas(list.issuer());
    std::vector<X509Ptr> ends;  // anchors of the signer
    std::string obstacle;
    for (const X509Ptr& signer : named) {
        if (!list.signed_by(*signer)) continue;
        Ancestry above = ancestry_of(*signer, cas, anchors);
        const std::string why = find_obstacle(*signer, above, 0);
        if (!why.empty()) obstacle = why;
        if (why.empty()) std::move(above.anchors.begin(), above.anchors.end(), std::back_inserter(ends));
    }
    if (ends.empty()) return obstacle.empty() ? "" : "cannot be used: " + without_path(obstacle);
    const auto is_elsewhere = [&](const X509Ptr& ca) {
        if (crls.has_list_by(*ca, list.issuer())) return false;
        const Ancestry above = ancestry_of(*ca, cas, anchors);
        return !above.anchors.empty() && !have_common_ca(above.anchors, ends);
    };
    if (std::none_of(named.begin(), named.end(), is_elsewhere)) return {};
    return "is of one key, and another trust anchor of that name, or a CA of that name under one, has another key and "
           "no CRL here: for what that one issued this CRL counts for nothing";
}

CrlSigners CrlSignerSearch::signers_for(std::size_t certificate) {
    return {[this, certificate](const std::string& name) { return named(name, certificate); },
            [this, certificate](X509& signer) { return classify(signer, certificate); },
            [this](const Crl& list) { return find_fault(list); }};
}

std::vector<X509Ptr> CrlSignerSearch::named(const std::string& name, std::size_t certificate) {
    std::vector<X509Ptr> out;
    for (std::size_t i = certificate + 1; i < chain_.size(); ++i) {
        if (bears(*chain_[i], name)) out.push_back(share(*chain_[i]));
    }
    for (X509Ptr& ca : context_.trusted_files(name)) {
        if (!is_among(*ca, out)) out.push_back(std::move(ca));
    }
    // A client's helper must have a path before a list is verified with it: the list remembers its signers, and a newer
    // list replaces it only if it has them all.
    for (const X509Ptr& helper : context_.presented) {
        const bool is_new = bears(*helper, name) && !is_among(*helper, out);
        if (is_new && classify(*helper, certificate) > CrlSigner::kCircular) out.push_back(share(*helper));
    }
    return out;
}

CrlSigner CrlSignerSearch::classify(X509& signer, std::size_t certificate) {
    const std::string digest = certificate_sha256(signer);
    const auto [at, is_new] = classified_.try_emplace({digest, certificate}, CrlSigner::kUnrelated);
    if (is_new) at->second = classify_uncached(signer, digest, certificate);
    return at->second;
}

CrlSigner CrlSignerSearch::classify_uncached(X509& signer, const std::string& digest, std::size_t certificate) const {
    const CrlSigner if_valid = may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign;
    if (is_among(signer, std::span(chain_).subspan(certificate + 1))) return if_valid;
    const Link link(&signer, digest);
    const bool in_time = link.not_before <= context_.now && context_.now <= link.not_after;
    const CrlSigner if_not = std::min(if_valid, CrlSigner::kInvalid);
    if (is_another_of_anchor(signer)) return in_time ? if_valid : if_not;
    const std::vector<X509Ptr> trusted = anchors();
    const Links ends(trusted);
    PathQuestion question{link, ends.all, context_.helpers(), context_.security_level, kAnyTime, X509_PURPOSE_ANY};
    bool is_circular = false;
    // A certificate must not be on the path of the signer that clears it.
    question.objection = [&](const PathAnswer& path) -> std::string {
        if (!is_among(*chain_[certificate], path.chain)) return {};
        is_circular = true;
        return "it leads through the certificate itself";
    };
    if (!verify_path(question).ok) return is_circular ? CrlSigner::kCircular : CrlSigner::kUnrelated;
    question.now = context_.now;
    question.purpose = X509_PURPOSE_CRL_SIGN;
    const PathAnswer path = verify_path(question);
    return in_time && path.ok && !is_revoked(path.chain) ? if_valid : if_not;
}

// The anchor of the path; of mod_ssl's CAs, which are all trusted, also the topmost ones above it.
std::vector<X509Ptr> CrlSignerSearch::anchors() const {
    std::vector<X509Ptr> out;
    if (context_.by_server) out = ancestry_of(*chain_.back(), context_.all_cas, context_.all_anchors).anchors;
    if (!is_among(*chain_.back(), out)) out.push_back(share(*chain_.back()));
    return out;
}

std::string CrlSignerSearch::find_fault(const Crl& list) const {
    std::string fault = "no known CA of that name has its signer's key: add its certificate with MTLSIntermediate";
    bool is_of_another = false;
    const std::vector<X509Ptr> here = anchors();
    // What a partner writes itself does not prove that a list is its own.
    for (const X509Ptr& signer : context_.cas_in_files(list.issuer())) {
        if (!list.signed_by(*signer)) continue;
        const Ancestry above = ancestry_of(*signer, context_.all_cas, context_.all_anchors);
        const std::string obstacle = find_obstacle(*signer, above, context_.security_level);
        const bool leads_here = have_common_ca(above.anchors, here);
        if (obstacle.empty() && !leads_here) {
            is_of_another = true;
            continue;
        }
        fault = obstacle.empty() ? "its signer's path is in none of the partner's files: add it with MTLSIntermediate"
                                 : without_path(obstacle);
        if (leads_here) return fault;
    }
    return is_of_another ? "" : fault;
}

// One certificate of the anchor may permit signing CRLs, another not.
bool CrlSignerSearch::is_another_of_anchor(const X509& signer) const {
    if (!is_same_ca(signer, *chain_.back())) return false;
    return is_among(signer, context_.trusted_files(subject_of(signer).canonical));
}

// Checks only lists that the CAs of the signer's own path signed.
bool CrlSignerSearch::is_revoked(const std::vector<X509Ptr>& path) const {
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        const X509Ptr& issuer = path[i + 1];
        const CrlSigners direct{
            [&](const std::string& name) {
                std::vector<X509Ptr> out;
                if (bears(*issuer, name)) out.push_back(share(*issuer));
                return out;
            },
            [](X509& signer) { return may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign; }};
        std::string detail;
        if (check_crls(crls_, *path[i], direct, {}, context_.now, edges_, detail) == CrlStatus::kRevoked) return true;
    }
    return false;
}

}  // namespace mtls
