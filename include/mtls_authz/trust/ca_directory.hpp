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

// In place of a file: the CAs that mod_ssl was given.
constexpr std::string_view kModSsl = "mod_ssl";

// One of a file.
struct ReadCertificate {
    X509Ptr certificate;
    CertificateFacts facts;
    bool is_ca = false;  // basicConstraints says CA; anything else stands for exactly itself and issues nothing

    explicit ReadCertificate(X509Ptr c);
};

// Reads all certificates of a file, as decode_certificates() does. An error where there is none, or a broken one.
Result<std::vector<ReadCertificate>> read_certificates(const std::string& content, const std::string& file);

// A certificate of an anchor or intermediate file, as a policy keeps it: borrowed from the policy's arena.
struct AnchorCertificate {
    Text der;
    Text sha256;                   // raw, of the whole
    Text spki_sha256;              // and of its key
    Span<Text> other_spki_sha256;  // of the same key in other encodings, as key_forms() has them
    Text subject;                  // canonical
    Text issuer;                   // canonical
    Text subject_text;
    std::int64_t not_before = 0;
    std::int64_t not_after = 0;
    bool is_ca = false;

    AnchorCertificate() = default;
    AnchorCertificate(const ReadCertificate& read, Arena& arena);
    AnchorCertificate(const AnchorCertificate& other, Arena& arena);  // the same elsewhere

    // A CA is its name and its key (RFC 5280 6.1.1 (d)): certificates of one CA share this.
    std::string ca_id() const { return std::string(spki_sha256.view()) + std::string(subject.view()); }
    bool has_ca_id(std::string_view id) const {
        return id.starts_with(spki_sha256) && id.substr(spki_sha256.size()) == subject;
    }
    // Those that this process has decoded lately it still has.
    X509Ptr decode() const;

    bool lies_in(const Bounds& in) const {
        return in.hold_all(der, sha256, spki_sha256, other_spki_sha256, subject, issuer, subject_text);
    }
};

// What one file holds, shared by all lines that name it.
using CertificateFile = std::span<const AnchorCertificate>;

// One file of one MTLSTrustAnchor line.
struct Anchor {
    Text file;  // as it is spelled in the directive: `anchor=` refers to it by that
    Place where;
    TimeWindow window;  // outside of it the anchor does not exist
    Span<AnchorCertificate> certificates;
    // Of a SPIFFE bundle, else empty: for other certificates than X509-SVIDs of it, the anchor does not exist.
    Text trust_domain;
    std::optional<std::uint64_t> sequence;  // of that bundle

    bool lies_in(const Bounds& in) const { return in.hold_all(file, where, certificates, trust_domain); }
};

// The anchors of one partner, or the default ones that several share.
struct AnchorSet {
    Span<Anchor> anchors;
    bool uses_mod_ssl = false;
    Place where;

    bool lies_in(const Bounds& in) const { return in.hold_all(anchors, where); }
};

// Whether its basicConstraints say so; nothing else counts.
bool says_it_is_a_ca(const X509& certificate);

// The names and keys that the policy knows as CAs. Made by CaDirectoryBuilder; borrowed from the arena that it was kept
// in.
class CaDirectory {
public:
    struct Issuer {
        Text name;                                  // canonical
        Text key;                                   // SHA-256
        Span<Ptr<AnchorCertificate>> certificates;  // of this CA: one key, perhaps several dates
        Span<TimeWindow> windows;                   // when somebody names each; as many

        bool lies_in(const Bounds& in) const {
            return in.hold_all(name, key, certificates, windows) && !certificates.empty() &&
                   certificates.size() == windows.size();
        }
    };
    // Facts about the named CAs of one name, where none of them issued the certificate.
    struct Namesakes {
        bool other_key = false;         // one signed with another key
        std::string unknown_algorithm;  // of a key that this OpenSSL does not know, in words
    };
    // The named CA that issued `certificate`: name and signature; nullptr where none did, or none exists at `now`.
    // `digest`: SHA-256 of the certificate.
    const Issuer* issuer_of(const X509& certificate, const std::string& digest, const DistinguishedName& issuer_name,
                            std::int64_t now, Namesakes& others) const;
    // The named CA that the CA `ca_id` is under another key or another name, as the same issuer has renewed it
    // (RFC 5280 3.2): nullptr where there is none at `now`. `issuer`: of the CA, with its key's SHA-256.
    const Issuer* renewed_as(std::string_view ca_id, X509& issuer, std::string_view issuer_key, std::int64_t now) const;
    bool knows_leaf(std::string_view sha256, std::int64_t now) const;
    bool names(std::string_view ca_id, std::int64_t now) const;

    // Of an MTLSIntermediate, by canonical name: leads to others, and is trusted by nobody for that.
    std::span<const Ptr<AnchorCertificate>> intermediates_named(std::string_view name) const;
    // Every certificate of that name that exists at `now`, trusted or not, end-entity anchors apart: who may have
    // signed a CRL, which a CA can also do with a certificate for that alone.
    std::vector<X509Ptr> cas_named(std::string_view name, std::int64_t now = kAnyTime) const;
    // Those of them that are anchors.
    std::vector<X509Ptr> anchors_named(std::string_view name, std::int64_t now = kAnyTime) const;

    // The certificates of the named CA that issued this one, by name and signature: those that exist at `now`.
    std::vector<X509Ptr> anchors_above(const X509& certificate, std::int64_t now) const;
    // The names that a client looks for when it chooses its certificate (RFC 8446 4.2.4), encoded: of CAs their own, of
    // end-entity anchors their issuer's. Each once. Nothing where they are more than `limit` bytes, as a handshake
    // message carries them.
    std::optional<std::vector<std::string_view>> announced_names(std::size_t limit, std::int64_t now) const;

    bool lies_in(const Bounds& in) const { return in.hold_all(cas_, by_key_, leaves_, intermediates_, announced_); }

private:
    friend class CaDirectoryBuilder;
    struct LeafAnchor {
        Text sha256;
        Span<TimeWindow> windows;
        bool lies_in(const Bounds& in) const { return in.hold_all(sha256, windows); }
    };
    struct Announced {
        Text encoded;
        Span<TimeWindow> windows;
        bool lies_in(const Bounds& in) const { return in.hold_all(encoded, windows); }
    };
    std::span<const Issuer> named(std::string_view name) const;

    Span<Issuer> cas_;                            // by name, then by key
    Span<Ptr<Issuer>> by_key_;                    // the same
    Span<LeafAnchor> leaves_;                     // end-entity anchors, by digest
    Span<Ptr<AnchorCertificate>> intermediates_;  // by name
    Span<Announced> announced_;
};

class CaDirectoryBuilder {
public:
    // Certificates have to lie where the directory will. Once more within the same window, one is known already.
    void add(const AnchorCertificate& certificate, const TimeWindow& window);
    void add_intermediate(const AnchorCertificate& certificate);
    CaDirectory finish(Arena& arena) const;

private:
    struct Named {
        std::vector<const AnchorCertificate*> certificates;
        std::vector<TimeWindow> windows;
        std::set<std::tuple<const AnchorCertificate*, std::int64_t, std::int64_t>> known = {};
        void add(const AnchorCertificate& certificate, const TimeWindow& window);
    };
    std::map<std::pair<std::string_view, std::string_view>, Named> cas_;  // by name and key
    std::map<std::string_view, Named> leaves_;
    std::map<std::string_view, std::map<std::string_view, const AnchorCertificate*>> intermediates_;  // by digest
};

}  // namespace mtls
