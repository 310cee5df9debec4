// The CAs that a policy names, and the certificates of its files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

class SignatureBudget;

// Instead of a file: the CAs that mod_ssl was configured with.
constexpr std::string_view kModSsl = "mod_ssl";

// A certificate from a file, decoded.
struct ReadCertificate {
    X509Ptr certificate;
    CertificateFacts facts;
    // basicConstraints has cA TRUE, or does not decode: a CA, which may lack has_ca_flag() and then issues nothing. Any
    // other certificate is an anchor only for itself.
    bool is_ca = false;

    explicit ReadCertificate(X509Ptr c);
};

// Decodes all certificates of a file with decode_certificates(). An error if there is none, or if one does not decode.
Result<std::vector<ReadCertificate>> read_certificates(const std::string& content, const std::string& file);

// A certificate of an anchor or intermediate file as stored in a policy; views into the policy's arena.
struct AnchorCertificate {
    Text der;
    Text sha256;                   // raw, of the whole certificate
    Text spki_sha256;              // raw, of its SubjectPublicKeyInfo
    Span<Text> other_spki_sha256;  // of the other encodings of the same key, see key_forms()
    Text subject;                  // canonical
    Text issuer;                   // canonical
    Text subject_text;
    std::int64_t not_before = 0;
    std::int64_t not_after = 0;
    bool is_ca = false;

    AnchorCertificate() = default;
    AnchorCertificate(const ReadCertificate& read, Arena& arena);
    AnchorCertificate(const AnchorCertificate& other, Arena& arena);  // a copy in another arena

    // A CA is a name and a key (RFC 5280 6.1.1 (d)): all certificates of one CA have the same id.
    std::string ca_id() const { return std::string(spki_sha256.view()) + std::string(subject.view()); }
    bool has_ca_id(std::string_view id) const {
        return id.starts_with(spki_sha256) && id.substr(spki_sha256.size()) == subject;
    }
    // From the process's cache of decoded certificates, if it is there.
    X509Ptr decode() const;

    bool is_inside(const Bounds& in) const {
        return in.hold_all(der, sha256, spki_sha256, other_spki_sha256, subject, issuer, subject_text);
    }
};

// The certificates of one file, shared by all directives that name it.
using CertificateFile = std::span<const AnchorCertificate>;

// One file of one MTLSTrustAnchor directive.
struct Anchor {
    Text file;  // as written in the directive; `anchor=` refers to it by this text
    StoredWhere where;
    TimeWindow window;  // outside of it the anchor is ignored
    Span<AnchorCertificate> certificates;
    // Of a SPIFFE bundle, else empty. The anchor is ignored for certificates that are not X509-SVIDs of this domain.
    Text trust_domain;
    std::optional<std::uint64_t> sequence;  // spiffe_sequence of the bundle

    bool is_inside(const Bounds& in) const { return in.hold_all(file, where, certificates, trust_domain); }
};

// The anchors of one partner, or the default anchors that several partners share.
struct AnchorSet {
    Span<Anchor> anchors;
    bool uses_mod_ssl = false;
    StoredWhere where;

    bool is_inside(const Bounds& in) const { return in.hold_all(anchors, where); }
};

// Whether OpenSSL takes it for a CA's: basicConstraints has cA TRUE, keyUsage permits it, and all its extensions
// decode.
bool has_ca_flag(const X509& certificate);
// How the detail ends where OpenSSL can use no part of a certificate (EXFLAG_INVALID).
constexpr std::string_view kUnusableExtension =
    "an extension of it does not decode, is there twice, or has a value that RFC 5280 forbids";
// Why a certificate without has_ca_flag() that looks like a CA's issues nothing: a clause; "" if it does not.
std::string why_it_issues_nothing(const X509& certificate);
// The same as a detail, of a certificate that issued one of the path.
std::string describe_invalid_ca(const X509& certificate);
// " (at CA NAME)", behind what is wrong with its certificate.
std::string at_ca(const X509& certificate);

// The names and keys of all CAs in the policy. CaDirectoryBuilder makes it; its parts are in the arena passed to
// finish().
class CaDirectory {
public:
    struct Issuer {
        Text name;                                  // canonical
        Text key;                                   // SHA-256
        Span<Ptr<AnchorCertificate>> certificates;  // certificates of this CA: same key, possibly different dates
        Span<TimeWindow> windows;                   // when each is an anchor; same size as `certificates`
        bool is_in_file = false;                    // not only in SPIFFE bundles, which a partner writes

        bool is_inside(const Bounds& in) const {
            return in.hold_all(name, key, certificates, windows) && !certificates.empty() &&
                   certificates.size() == windows.size();
        }
    };
    // The CAs of the policy that have the issuer's name but did not issue the certificate.
    struct Namesakes {
        bool other_key = false;         // at least one has another key
        std::string unknown_algorithm;  // a clause about a key algorithm that this OpenSSL does not support
    };
    // The CAs of the policy at `now` that can have issued `certificate`, by name and signature; none if the budget is
    // exhausted. One at most has issued it: several have keys that verify it only if somebody made a second key to its
    // signature, as anybody can for ECDSA and RSA. `digest`: SHA-256 of the certificate.
    std::vector<const Issuer*> issuers_of(const X509& certificate, const std::string& digest,
                                          const DistinguishedName& issuer_name, std::int64_t now,
                                          SignatureBudget& budget, Namesakes& others) const;
    // The CA of the policy that the same issuer certified as a successor of `ca_id`, with another key or another name
    // (RFC 5280 3.2); nullptr if there is none at `now`. `issuer`: the issuer of `ca_id`, with its key's SHA-256.
    const Issuer* find_successor(std::string_view ca_id, X509& issuer, std::string_view issuer_key,
                                 std::int64_t now) const;
    bool has_leaf_anchor(std::string_view sha256, std::int64_t now) const;
    // The end-entity anchors with this canonical subject, whenever they exist.
    std::span<const Ptr<AnchorCertificate>> leaf_anchors_named(std::string_view name) const;
    bool names(std::string_view ca_id, std::int64_t now) const;

    // Of all MTLSIntermediates, by canonical subject: they can connect a leaf to an anchor, and are not trusted by
    // themselves.
    std::span<const Ptr<AnchorCertificate>> intermediates_named(std::string_view name) const;
    // All CA certificates of that name at `now`, anchors and intermediates, without end-entity anchors: the candidates
    // for signing a CRL, for which a CA may have a separate certificate.
    std::vector<X509Ptr> cas_named(std::string_view name, std::int64_t now = kAnyTime) const;
    // At any time, without those that only SPIFFE bundles have.
    std::vector<X509Ptr> cas_in_files(std::string_view name) const;
    // Only those that are anchors.
    std::vector<X509Ptr> anchors_named(std::string_view name, std::int64_t now = kAnyTime) const;

    // The certificates at `now` of its issuers_of().
    std::vector<X509Ptr> anchors_above(const X509& certificate, std::int64_t now, SignatureBudget& budget) const;
    // The encoded names for the server's CertificateRequest, by which a client chooses its certificate (RFC 8446
    // 4.2.4): the subject of each CA anchor, the issuer of each end-entity anchor, without duplicates. Nothing if they
    // take more than `limit` bytes in the handshake message.
    std::optional<std::vector<std::string_view>> announced_names(std::size_t limit, std::int64_t now) const;

    bool is_inside(const Bounds& in) const {
        return in.hold_all(cas_, by_key_, leaves_, leaves_by_name_, intermediates_, announced_);
    }

private:
    friend class CaDirectoryBuilder;
    struct LeafAnchor {
        Text sha256;
        Span<TimeWindow> windows;
        bool is_inside(const Bounds& in) const { return in.hold_all(sha256, windows); }
    };
    struct Announced {
        Text encoded;
        Span<TimeWindow> windows;
        bool is_inside(const Bounds& in) const { return in.hold_all(encoded, windows); }
    };
    std::span<const Issuer> named(std::string_view name) const;

    Span<Issuer> cas_;                             // by name, then by key
    Span<Ptr<Issuer>> by_key_;                     // the same, by key
    Span<LeafAnchor> leaves_;                      // end-entity anchors, by digest
    Span<Ptr<AnchorCertificate>> leaves_by_name_;  // the same, by subject
    Span<Ptr<AnchorCertificate>> intermediates_;   // by name
    Span<Announced> announced_;
};

class CaDirectoryBuilder {
public:
    // The certificates must be in the arena of the directory, or outlive it. Adding a certificate again with the same
    // window has no effect. `is_in_file`: it is not from a SPIFFE bundle.
    void add(const AnchorCertificate& certificate, const TimeWindow& window, bool is_in_file = true);
    void add_intermediate(const AnchorCertificate& certificate);
    CaDirectory finish(Arena& arena) const;

private:
    struct Named {
        std::vector<const AnchorCertificate*> certificates;
        std::vector<TimeWindow> windows;
        bool is_in_file = false;
        std::set<std::tuple<const AnchorCertificate*, std::int64_t, std::int64_t>> seen = {};
        void add(const AnchorCertificate& certificate, const TimeWindow& window);
    };
    std::map<std::pair<std::string_view, std::string_view>, Named> cas_;  // key: name and key
    std::map<std::string_view, Named> leaves_;
    std::map<std::string_view, std::map<std::string_view, const AnchorCertificate*>>
        intermediates_;  // name -> digest -> certificate
};

}  // namespace mtls
