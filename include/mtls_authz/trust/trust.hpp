// Paths from a certificate to the CAs that a policy names (RFC 5280 6). mod_ssl has verified the handshake; only the
// answer found here counts.
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

// What a client presented: the leaf, and helpers that say nothing until a path uses them.
struct PresentedCertificate {
    X509Ptr leaf;
    std::vector<X509Ptr> helpers;  // from the peer or its session; bounded by the session's limits
    CertificateFacts facts;
    std::vector<std::string> helper_digests = {};  // SHA-256 of each helper, or none of them
    LeftOut left_out = {};                         // what the client sent beyond the session's limits

    PresentedCertificate() = default;
    PresentedCertificate(X509& leaf_certificate, SentHelpers sent);

    // Each is made once, by the thread that asks first.
    const CertificateText& text() const {
        return text_.get([this] { return CertificateText(facts); });
    }
    // The leaf's DER encoding in base64 (RFC 4648 4).
    const std::string& base64_der() const;

private:
    MadeOnce<CertificateText> text_ = {};
    MadeOnce<std::string> base64_der_ = {};
};

// What mod_ssl was given for one virtual host at start.
struct ServerCas {
    std::vector<X509Ptr> certificates;
    std::shared_ptr<const CrlSet> crls;  // from SSLCARevocationFile and -Path; may be null
    int security_level = 1;
    std::vector<std::string> digests = {};  // SHA-256 of each certificate, or none of them
};

// A certificate that may stand on a path, borrowed, with what is known of it.
struct Link {
    X509* certificate = nullptr;
    std::string_view sha256;  // empty: not known
    std::int64_t not_before = 0;
    std::int64_t not_after = -1;

    Link(X509* c, std::string_view digest, std::int64_t from, std::int64_t until)
        : certificate(c), sha256(digest), not_before(from), not_after(until) {}
    explicit Link(X509* c, std::string_view digest = {});

    bool is_valid_at(std::int64_t now) const { return now == kAnyTime || (not_before <= now && now <= not_after); }
};

// Certificates of the policy, decoded for as long as one question needs them.
class CertificatesInHand {
public:
    X509* get(const AnchorCertificate& certificate) {
        X509Ptr& known = known_[&certificate];
        if (!known) known = certificate.decode();
        return known.get();
    }
    Link link(const AnchorCertificate& c) { return {get(c), c.sha256, c.not_before, c.not_after}; }

private:
    std::map<const AnchorCertificate*, X509Ptr> known_;
};

// A CA certificate above a leaf whose key signed one below it.
struct OnTheWay {
    X509Ptr certificate;
    std::string sha256;
    bool from_peer = false;  // from the peer or its session; else of some MTLSIntermediate
};

// The nearest CA above a leaf that the policy names, as far as signatures lead. Whether the path to it holds, and is
// this partner's, is verify_path()'s business.
struct NearestCa {
    std::vector<std::string> ca_ids;   // more than one only where cross-certificates lead to several at one depth
    bool is_leaf_itself = false;       // an end-entity anchor: ca_ids is empty
    std::vector<CaDigests> above;      // every CA found on the way, the nearest included
    std::vector<X509Ptr> cas;          // their certificates
    std::string leaf_twin;             // as ecdsa_twin_sha256() has it; empty where no issuer was found
    std::vector<OnTheWay> on_the_way;  // below it, in the order in which they were met

    // Where none was found, what may be in the way.
    bool same_name_other_key = false;  // a CA on the way has the name of an anchor and another key
    bool is_too_deep = false;          // there is more above than a path may have
    std::string unknown_algorithm;     // a key or signature that this OpenSSL does not know, in words

    bool found() const { return is_leaf_itself || !ca_ids.empty(); }
};
NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now);

struct PathAnswer {
    bool ok = false;
    bool is_for_servers = false;      // only as a path of certificates made for servers
    std::string detail;               // OpenSSL's words where not ok
    PathFacts facts;                  // what selectors ask
    std::vector<X509Ptr> chain;       // from the leaf to the anchor
    std::vector<std::string> ca_ids;  // their names and keys, nearest first
};

// The strict check of RFC 5280 6, by OpenSSL: purpose, certificate policies (initial set anyPolicy), at most 10
// intermediates, the security level and at least 112 bits, and the dates of all CAs at `now`, inclusively (none at
// kAnyTime). A CA that is malformed makes no path. The leaf's own dates are the caller's business.
struct PathQuestion {
    Link leaf;
    std::vector<Link> trusted;
    std::vector<Link> helpers;
    int security_level = 1;
    std::int64_t now = 0;
    int purpose = X509_PURPOSE_SSL_CLIENT;
    // Why a path that OpenSSL takes does not count; "" where it does. Another one may be tried then.
    std::function<std::string(const PathAnswer&)> objection = {};
};
// Several paths may lead to `trusted`, over certificates of one name or cross-certificates: each is tried by itself, so
// that OpenSSL never has to choose.
PathAnswer verify_path(const PathQuestion& question);

}  // namespace mtls
