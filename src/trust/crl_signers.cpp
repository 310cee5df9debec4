#include "mtls_authz/trust/crl_signers.hpp"

#include <algorithm>

#include "mtls_authz/base/calendar.hpp"

namespace mtls {

namespace {

bool is_among(const X509& certificate, auto first, auto last) {
    return std::any_of(first, last, [&](const X509Ptr& c) { return X509_cmp(c.get(), &certificate) == 0; });
}

bool bears(const X509& certificate, const std::string& name) {
    return read_name(*X509_get_subject_name(&certificate)).canonical == name;
}

}  // namespace

CrlSigners CrlSignerSearch::signers_for(std::size_t certificate) {
    return {[this, certificate](const std::string& name) { return named(name, certificate); },
            [this, certificate](X509& signer) { return classify(signer, certificate); }};
}

std::vector<X509Ptr> CrlSignerSearch::named(const std::string& name, std::size_t certificate) {
    std::vector<X509Ptr> out;
    for (std::size_t i = certificate + 1; i < chain_.size(); ++i) {
        if (bears(*chain_[i], name)) out.push_back(share(*chain_[i]));
    }
    for (X509Ptr& ca : context_.trusted_files(name)) {
        if (!is_among(*ca, out.begin(), out.end())) out.push_back(std::move(ca));
    }
    // A client's helper must have a path before a list is verified with it: the list caches its signer, and a client
    // could send a stranger's key.
    for (const X509Ptr& helper : context_.presented) {
        const bool is_new = bears(*helper, name) && !is_among(*helper, out.begin(), out.end());
        if (is_new && classify(*helper, certificate) != CrlSigner::kUnrelated) out.push_back(share(*helper));
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
    if (is_among(signer, chain_.begin() + static_cast<std::ptrdiff_t>(certificate) + 1, chain_.end())) return if_valid;
    const Link link(&signer, digest);
    const bool in_time = link.not_before <= context_.now && context_.now <= link.not_after;
    const CrlSigner if_not = std::min(if_valid, CrlSigner::kInvalid);
    if (is_another_of_anchor(signer)) return in_time ? if_valid : if_not;
    const std::string anchor_digest = certificate_sha256(*chain_.back());
    PathQuestion question{link,
                          {Link(chain_.back().get(), anchor_digest)},
                          context_.helpers(),
                          context_.security_level,
                          kAnyTime,
                          X509_PURPOSE_ANY};
    // A certificate must not be on the path of the signer that clears it.
    const auto avoids_certificate = [&](const PathAnswer& path) {
        return path.ok && !is_among(*chain_[certificate], path.chain.begin(), path.chain.end());
    };
    if (!avoids_certificate(verify_path(question))) return CrlSigner::kUnrelated;
    question.now = context_.now;
    question.purpose = X509_PURPOSE_CRL_SIGN;
    const PathAnswer path = verify_path(question);
    return in_time && avoids_certificate(path) && !is_revoked(path.chain) ? if_valid : if_not;
}

// A CA is its name and its key (RFC 5280 6.1.1 (d)): one certificate of the anchor may permit signing CRLs, another
// not.
bool CrlSignerSearch::is_another_of_anchor(const X509& signer) const {
    const X509& anchor = *chain_.back();
    if (X509_NAME_cmp(X509_get_subject_name(&signer), X509_get_subject_name(&anchor)) != 0) return false;
    if (key_sha256(signer) != key_sha256(anchor)) return false;
    const auto from_files = context_.trusted_files(read_name(*X509_get_subject_name(&signer)).canonical);
    return is_among(signer, from_files.begin(), from_files.end());
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
