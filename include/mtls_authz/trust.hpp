// Paths from a certificate to the CAs that a policy names (RFC 5280 6). mod_ssl has verified the handshake; only the
// answer found here counts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mtls_authz/calendar.hpp"
#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/crl.hpp"
#include "mtls_authz/openssl_types.hpp"
#include "mtls_authz/result.hpp"

namespace mtls {

// In place of a file: the CAs that mod_ssl was given.
constexpr std::string_view kModSsl = "mod_ssl";

// A certificate read from an anchor or intermediate file.
struct AnchorCertificate {
    X509Ptr certificate;
    CertificateFacts facts;
    bool is_ca = false;  // basicConstraints says CA; anything else stands for exactly itself and issues nothing

    // A CA is its name and its key (RFC 5280 6.1.1 (d)): certificates of one CA share this.
    std::string ca_id() const { return facts.spki_sha256 + facts.subject.canonical; }
};

// Reads all certificates of one PEM file. An error where there is none, or one that cannot be read.
Result<std::vector<AnchorCertificate>> read_certificates(const std::string& pem, const std::string& file);

// What one file holds, shared by all lines that name it.
class CertificateFile {
public:
    CertificateFile() = default;
    explicit CertificateFile(std::vector<AnchorCertificate> certificates)
        : certificates_(std::make_shared<const std::vector<AnchorCertificate>>(std::move(certificates))) {}

    const AnchorCertificate* begin() const { return certificates_ ? certificates_->data() : nullptr; }
    const AnchorCertificate* end() const { return begin() + (certificates_ ? certificates_->size() : 0); }

private:
    std::shared_ptr<const std::vector<AnchorCertificate>> certificates_;
};

// Files that were read before, by the SHA-256 of their content: what has not changed is not decoded again.
using CertificateFiles = std::unordered_map<std::string, CertificateFile>;

// One file of one MTLSTrustAnchor line.
struct Anchor {
    std::string file;  // as it is spelled in the directive: `anchor=` refers to it by that
    Where where;
    TimeWindow window;  // outside of it the anchor does not exist
    CertificateFile certificates;
};

// The anchors of one partner, or the default ones that several share.
struct AnchorSet {
    std::vector<Anchor> anchors;
    bool uses_mod_ssl = false;
    Where where;
};

// What a client presented: the leaf, and helpers that say nothing until a path uses them.
struct PresentedCertificate {
    X509Ptr leaf;
    std::vector<X509Ptr> helpers;  // from the peer or its session; bounded by the session's limits
    CertificateFacts facts;
};

// What mod_ssl was given for one virtual host at start.
struct ServerCas {
    std::vector<X509Ptr> certificates;
    std::shared_ptr<const CrlSet> crls;  // from SSLCARevocationFile and -Path; may be null
    int security_level = 1;
};

// The names and keys that the policy knows as CAs.
class CaDirectory {
public:
    // `certificate` has to outlive the directory. Once more within the same window, it is known already.
    void add(const AnchorCertificate& certificate, const TimeWindow& window);
    // Of an MTLSIntermediate: leads to others, and is trusted by nobody for that.
    void add_intermediate(X509& certificate);
    // Those of that canonical name, each once.
    std::vector<X509*> intermediates_named(const std::string& canonical) const;

    struct Issuer {
        std::vector<const AnchorCertificate*> certificates;  // of this CA: one key, perhaps several dates
        std::vector<TimeWindow> windows;                     // when somebody names it
    };
    // The named CA that issued `certificate`: name and signature; nullptr where none did, or none exists at `now`.
    // `same_name` is set where a CA of that name is known, but another key signed.
    // `digest`: SHA-256 of the certificate.
    const Issuer* issuer_of(const X509& certificate, const std::string& digest, const DistinguishedName& issuer_name,
                            std::int64_t now, bool& same_name) const;
    bool knows_leaf(const std::string& sha256, std::int64_t now) const;
    bool names(const std::string& ca_id, std::int64_t now) const;

    // For the handshake: the anchors that may be the issuers of one of these, by name, and the leaf (the first) where
    // it is an anchor itself. Borrowed from the policy.
    std::vector<X509*> anchors_for(const std::vector<X509*>& chain, std::int64_t now) const;
    // The names that a client looks for when it chooses its certificate (RFC 8446 4.2.4): of CAs their own, of
    // end-entity anchors their issuer's. Each once; borrowed from the policy. Nothing where they are more than `limit`
    // bytes, as a handshake message carries them. Only after finish().
    std::optional<std::vector<X509_NAME*>> announced_names(std::size_t limit, std::int64_t now) const;
    void finish();

private:
    struct LeafAnchor {
        std::vector<const AnchorCertificate*> certificates;
        std::vector<TimeWindow> windows;
    };
    std::map<std::string, std::vector<std::string>, std::less<>> by_name_;  // canonical name -> ca ids
    std::map<std::string, Issuer, std::less<>> cas_;                        // by ca id
    std::map<std::string, LeafAnchor, std::less<>> leaves_;                 // by SHA-256: end-entity anchors
    std::set<std::tuple<const AnchorCertificate*, std::int64_t, std::int64_t>> added_;  // until finish()
    std::unordered_map<std::string, std::vector<X509*>> intermediates_;                 // by canonical name
    std::unordered_set<const X509*> known_intermediates_;                               // until finish()
    struct Announced {
        X509_NAME* name;
        std::size_t size;
        std::vector<const std::vector<TimeWindow>*> windows;
    };
    std::vector<Announced> announced_;
};

// The nearest CA above a leaf that the policy names.
struct NearestCa {
    std::vector<std::string> ca_ids;   // more than one only where cross-certificates lead to several at one depth
    bool is_leaf_itself = false;       // an end-entity anchor: ca_ids is empty
    bool same_name_other_key = false;  // a CA on the way has the name of an anchor and another key
    std::vector<CaDigests> above;      // every CA found on the way, the nearest included

    bool found() const { return is_leaf_itself || !ca_ids.empty(); }
};
NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now);

// The strict check of RFC 5280 6, by OpenSSL: purpose, depth 10, security level, and the dates of all CAs at
// `now`, inclusively (none at kAnyTime). The leaf's own dates are the caller's business.
struct PathQuestion {
    X509* leaf = nullptr;
    std::vector<X509*> trusted;
    std::vector<X509*> helpers;
    int security_level = 1;
    std::int64_t now = 0;
    int purpose = X509_PURPOSE_SSL_CLIENT;
};
struct PathAnswer {
    bool ok = false;
    std::string detail;                // OpenSSL's words where not ok
    std::vector<std::string> ca_keys;  // SHA-256 of the keys of the CAs on the path
    std::vector<X509Ptr> chain;        // from the leaf to the anchor
    std::vector<std::string> ca_ids;   // their names and keys, nearest first
};
PathAnswer verify_path(const PathQuestion& question);

// Verification in the handshake, for MTLSClientCA. Lets `ctx` (as OpenSSL's verify callback gets it) be verified
// against its own store; where that would fail, and one of the policy's anchors may have issued the certificate,
// against that anchor instead, with the callback and parameters of `ctx` in both cases. `ssl_index`: that of the SSL*
// among the context's data. Returns what X509_verify_cert() does.
int verify_with_anchors(X509_STORE_CTX* ctx, const CaDirectory& anchors, int ssl_index, std::int64_t now);

}  // namespace mtls
