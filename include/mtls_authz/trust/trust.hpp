// Verifies paths from a certificate to the CAs of a policy (RFC 5280 6). mod_ssl verifies the handshake; decisions use
// only the result of this verification.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/published.hpp"
#include "mtls_authz/certificate/path_facts.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/trust/ca_directory.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

// The certificates of a client: the leaf, and helpers, which are untrusted until a verified path contains them.
struct PresentedCertificate {
    X509Ptr leaf;
    std::vector<X509Ptr> helpers;  // from the peer or its session, within the session's limits
    CertificateFacts facts;
    std::vector<std::string> helper_digests = {};  // SHA-256 of each helper, or empty
    LeftOut left_out = {};                         // certificates beyond the session's limits

    PresentedCertificate() = default;
    PresentedCertificate(X509& leaf_certificate, SentHelpers sent);

    // SHA-256 of a certificate; computed only if it is none of these.
    std::string sha256_of(const X509& certificate) const;

    // Each is computed once, on first use.
    const CertificateText& text() const {
        return text_.get([this] { return CertificateText(facts); });
    }
    // The leaf's DER encoding in base64 (RFC 4648 section 4).
    const std::string& base64_der() const;

private:
    MadeOnce<CertificateText> text_ = {};
    MadeOnce<std::string> base64_der_ = {};
};

// The CAs that mod_ssl was configured with for one virtual host at start.
struct ServerCas {
    std::vector<X509Ptr> certificates;
    std::shared_ptr<const CrlSet> crls;  // from SSLCARevocationFile and -Path; may be null
    int security_level = 1;
    std::vector<std::string> digests = {};  // SHA-256 of each certificate, or empty
};

// A candidate certificate for a path; borrowed, with the facts that the search needs.
struct Link {
    X509* certificate = nullptr;
    std::string_view sha256;  // empty: not computed
    std::int64_t not_before = 0;
    std::int64_t not_after = -1;

    Link(X509* c, std::string_view digest, std::int64_t from, std::int64_t until)
        : certificate(c), sha256(digest), not_before(from), not_after(until) {}
    explicit Link(X509* c, std::string_view digest = {});

    bool is_valid_at(std::int64_t now) const { return now == kAnyTime || (not_before <= now && now <= not_after); }
};

// Keeps certificates of the policy decoded for the duration of one question.
class HeldCertificates {
public:
    X509* get(const AnchorCertificate& certificate) {
        X509Ptr& kept = decoded_[&certificate];
        if (!kept) kept = certificate.decode();
        return kept.get();
    }
    Link link(const AnchorCertificate& c) { return {get(c), c.sha256, c.not_before, c.not_after}; }

private:
    std::map<const AnchorCertificate*, X509Ptr> decoded_;
};

// A CA certificate above a leaf whose key signed a certificate below it.
struct IntermediateCa {
    X509Ptr certificate;
    std::string sha256;
    bool from_peer = false;  // from the peer or its session; else from an MTLSIntermediate
};

// The nearest CA above a leaf that the policy names, found by signatures only. verify_path() decides whether the path
// to it is valid, and belongs to this partner.
struct NearestCa {
    std::vector<std::string> ca_ids;            // several only if cross-certificates lead to several at one depth
    bool is_leaf_itself = false;                // an end-entity anchor: ca_ids is empty
    std::vector<CaDigests> above;               // every CA that was found, including the nearest
    std::vector<X509Ptr> cas;                   // their certificates
    std::string leaf_twin;                      // ecdsa_twin_sha256() of the leaf; empty if no issuer was found
    std::vector<IntermediateCa> intermediates;  // below the nearest CA, in the order found

    bool has_two_issuers = false;  // two CAs of the policy could have issued one certificate: see issuers_of()

    // If no CA was found, the possible causes.
    bool same_name_other_key = false;  // a CA above the leaf has the name of an anchor and another key
    bool is_too_deep = false;          // the chain is longer than a path may be
    bool is_too_wide = false;          // too many certificates have one name: the search was given up
    std::string unknown_algorithm;     // a clause about a key or signature that this OpenSSL does not support
    std::string faulty_ca;             // why an intermediate that issued a certificate of the path is no CA

    bool found() const { return is_leaf_itself || !ca_ids.empty(); }
    // SHA-256 of its SubjectPublicKeyInfo, by which a CA id begins; "" if there is none.
    std::string_view key() const {
        constexpr std::size_t kDigestSize = 32;
        return ca_ids.empty() ? std::string_view() : std::string_view(ca_ids.front()).substr(0, kDigestSize);
    }
};
NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now);

struct PathAnswer {
    bool ok = false;
    bool is_for_servers = false;      // valid only for the purpose of servers
    std::string detail;               // OpenSSL's error if not ok
    PathFacts facts;                  // input for selectors
    std::vector<X509Ptr> chain;       // from the leaf to the anchor
    std::vector<std::string> ca_ids;  // name and key of each CA, nearest first
};

// The strict verification of RFC 5280 6, by OpenSSL: purpose, certificate policies (initial set anyPolicy), at most 10
// intermediates, the security level and at least 112 bits, and the dates of all CAs at `now`, inclusively (not checked
// at kAnyTime). A malformed CA invalidates the path. The caller checks the leaf's own dates.
struct PathQuestion {
    Link leaf;
    std::vector<Link> trusted;
    std::vector<Link> helpers;
    int security_level = 1;
    std::int64_t now = 0;
    int purpose = X509_PURPOSE_SSL_CLIENT;
    // Returns why a path that OpenSSL accepts does not count, or "". After an objection, other paths are tried.
    std::function<std::string(const PathAnswer&)> objection = {};
};
// Several paths may lead to `trusted`, through certificates with one name or cross-certificates: each is verified
// separately, so that OpenSSL never has to choose.
PathAnswer verify_path(const PathQuestion& question);

}  // namespace mtls
