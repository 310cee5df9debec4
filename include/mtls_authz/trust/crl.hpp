// Certificate revocation lists (RFC 5280 5 and 6.3). CRLs are data, not policy: a faulty CRL does not affect the
// others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/trust/crl_record.hpp"

namespace mtls {

// MTLSCRL, MTLSCRLStale and MTLSShortLived: an absent value is inherited.
struct CrlRules {
    std::optional<bool> required;  // a certificate without a CRL is `revocation-unknown`
    std::optional<std::int64_t>
        stale_after;  // seconds after nextUpdate during which a CRL still counts; INT64_MAX for `allow`
    std::optional<int> short_life = {};  // days; a leaf with noRevAvail and a lifetime up to this needs no CRL

    CrlRules over(const CrlRules& base) const {
        return {required ? required : base.required, stale_after ? stale_after : base.stale_after,
                short_life ? short_life : base.short_life};
    }
    static constexpr int kDefaultShortLife = 10;
    bool is_any() const { return required || stale_after || short_life; }
    // Whether these rules let in what a line of `other` refuses.
    bool is_milder_than(const CrlRules& other) const {
        return (other.required.value_or(false) && !required.value_or(false)) ||
               (other.stale_after && *other.stale_after < stale_after.value_or(0)) ||
               (other.short_life && *other.short_life < short_life.value_or(kDefaultShortLife));
    }
    // Whether a leaf needs no CRL even under `required`.
    bool exempts(bool no_rev_avail, std::int64_t not_before, std::int64_t not_after) const {
        return no_rev_avail && not_after - not_before <= short_life.value_or(kDefaultShortLife) * kDay;
    }
};

// The fields of one certificate that CRLs are checked against.
struct CrlSubject {
    // A CRL distribution point (RFC 5280 4.2.1.13).
    struct Point {
        std::vector<std::string> names;  // comparable; empty if it has none
        // Canonical names; absent if the certificate's issuer signs the CRL.
        std::optional<std::vector<std::string>> crl_issuers;
        unsigned reasons = 0;  // bits as in ReasonFlags
        bool leads_to(const std::string& crl_issuer, const std::string& issuer) const;
    };
    std::string issuer;  // canonical name
    std::string issuer_text;
    std::string serial;  // in the form of serial_key()
    bool is_ca = false;  // basicConstraints has cA TRUE, wherever it is in a path
    std::vector<Point> points;

    explicit CrlSubject(const X509& certificate);
    bool has_foreign_crl_issuers_only() const;  // every distribution point names other CRL issuers
};

// Identifies a list, and decides which of two lists replaces the other.
struct CrlIdentity {
    std::string issuer;                      // canonical name
    std::string issuer_text;                 // for messages
    std::string digest;                      // SHA-256 of the whole list
    std::string scope;                       // comparable
    std::optional<std::string> number;       // in the form of serial_key()
    std::optional<std::string> base_number;  // only of a delta
    std::int64_t this_update = 0;

    bool is_delta() const { return base_number.has_value(); }
    bool same_scope(const CrlIdentity& other) const { return scope == other.scope && issuer == other.issuer; }
    // Whether this list is preferred to another list of the same scope.
    bool is_newer_than(const CrlIdentity& other) const;
    // Whether this list replaces one that the same keys signed. A delta lists all changes since its base (RFC 5280
    // 5.2.4): it replaces an older delta with the same base or a later one. It replaces one with an earlier base only
    // together with a complete list that it applies to.
    bool supersedes(const CrlIdentity& other) const;
};

// One CRL. Thread-safe: after construction, only its cache of the keys that were tried changes.
class Crl {
public:
    // Takes ownership of the decoded list. An error for lists that RFC 5280 excludes if they are not understood:
    // unknown critical extensions, attribute certificates, a contradictory scope.
    static Result<std::shared_ptr<const Crl>> read(X509CrlPtr decoded);
    // A list whose record was written by keep(). `before`: the same list in the previous generation, or null. Its cache
    // of keys is copied.
    explicit Crl(std::shared_ptr<const CrlRecord> record, const Crl* before = nullptr);
    // Its record in this arena, with the keys that have verified it so far.
    CrlRecord keep(Arena& arena) const;

    enum class Entry { kAbsent, kRevoked, kRemoved };
    // The entry for a certificate; only an indirect list (RFC 5280 5.3.3) has entries for other issuers' certificates.
    Entry entry(const CrlSubject& subject) const;

    // The certificate's key, in the form of key_sha256(), if it signed the list, in whatever encoding; else "". Each
    // key is asked for by itself, since a list can have a second one (see CrlRecord), and cached. may_sign_crls() says
    // whether the certificate permits that.
    std::string signer_in(const X509& certificate) const;
    bool signed_by(const X509& certificate) const { return !signer_in(certificate).empty(); }
    // Whether each key that is known to have signed `other` signed this list too; false if none is known.
    bool signed_by_signers_of(const Crl& other) const;
    bool is_unverified() const;  // no key is known that signed it

    // The reasons (bits 1 to 8 of ReasonFlags) for which this list covers such a certificate: none if the certificate
    // is out of its scope, where an entry still revokes. Nothing if its entries are not about the certificate either.
    static constexpr unsigned kAllReasons = 0x1fe;
    std::optional<unsigned> reasons_about(const CrlSubject& subject) const;

    bool is_newer_than(const Crl& other) const { return id_.is_newer_than(other.id_); }
    bool same_scope(const Crl& other) const { return id_.same_scope(other.id_); }
    bool is_delta() const { return id_.is_delta(); }
    // RFC 5280 5.2.4, 6.3.3 (c): whether this delta applies to `base`: same scope, and `base` is recent enough and
    // older than the delta.
    bool completes(const Crl& base) const;
    bool supersedes(const Crl& other) const { return id_.supersedes(other.id_); }
    // Whether this list replaces one that its own file held before, while neither has a verified signer: it supersedes
    // that one, and both name the same key of their signer, or none.
    bool replaces_unverified(const Crl& other, std::int64_t now) const;
    bool is_same_as(const Crl& other) const { return id_.digest == other.id_.digest; }
    const std::string& digest() const { return id_.digest; }  // SHA-256 of the whole list

    const std::string& issuer() const { return id_.issuer; }
    const std::string& issuer_text() const { return id_.issuer_text; }
    std::int64_t this_update() const { return id_.this_update; }
    std::optional<std::int64_t> next_update() const { return record_->next_update; }
    std::size_t size() const { return record_->size(); }

private:
    template <class Decode>
    bool try_key(const std::string& digest, Decode decode) const;
    bool verifies_by(EVP_PKEY& key) const;
    bool has_point(const std::string& name) const;

    std::shared_ptr<const CrlRecord> record_;
    CrlIdentity id_;  // of record_

    mutable std::mutex mutex_;
    mutable X509CrlPtr whole_;                            // of record_->whole; decoded when first needed
    mutable std::map<std::string, std::string> signers_;  // SHA-256 and SubjectPublicKeyInfo of keys that signed it
    mutable std::set<std::string> others_;                // SHA-256 of keys that did not
};

// Whether its keyUsage, if present, has cRLSign (RFC 5280 6.3.3 (f)).
bool may_sign_crls(const X509& certificate);
// The canonical form of a serial number, by which CRL entries are looked up.
std::string serial_key(const ASN1_INTEGER& serial);

// The content of a PEM or DER file.
struct DecodedCrls {
    std::vector<X509CrlPtr> lists;
    std::string fault;  // the first of the file, which completes the sentence "FILE ..."; empty: none
    // Canonical issuer names of the lists that do not decode, as far as they are readable.
    std::vector<std::string> broken;
};
// As read_objects() reads it.
DecodedCrls decode_crls(const std::string& content);

// The canonical issuer name of a CRL in DER or PEM that does not decode; "" if it is not readable.
std::string issuer_of_broken_crl(std::string_view content);

// Looks up CA certificates by canonical name.
using CasByName = std::function<std::vector<X509Ptr>(const std::string&)>;
// Those of these certificates that have the name. Borrows them.
CasByName by_name(const std::vector<X509Ptr>& certificates);

// Whether a signer's lists count for one certificate, worst first.
enum class CrlSigner {
    kUnrelated,     // has no path to the anchor of this certificate's path
    kCircular,      // only through this certificate: its lists say nothing about it
    kLacksCrlSign,  // has a path, but its keyUsage lacks cRLSign
    kInvalid,       // expired or revoked: its lists still revoke, but prove nothing about unlisted certificates
    kValid,
};
struct CrlSigners {
    CasByName named;                                  // the candidate signers
    std::function<CrlSigner(X509& signer)> classify;  // called with each candidate, also repeatedly
    // Why a list whose signer is kUnrelated, or not among the candidates, cannot be used; "" if it is of another CA.
    std::function<std::string(const Crl& list)> find_fault = [](const Crl&) {
        return std::string("no known CA of that name has its signer's key");
    };
};

// Why CrlSet::add() does not use a list where a newer one of the same scope and key is there: it takes nothing away.
constexpr std::string_view kIsOlder = "is older than the one in force";
// Why it does not use one more than kMostUnverified: its issuer has to be marked as unusable, since what it lists would
// pass.
constexpr std::string_view kTooMany =
    "is one too many: 1,024 CRLs of its issuer are at hand whose signer is not known; add the certificate of the CA "
    "that signs them with MTLSIntermediate, and restart";

enum class CrlStatus { kGood, kRevoked, kStale, kUnknown };

// The CRLs in force. Immutable once shared.
class CrlSet {
public:
    // Lists of one issuer name without a verified signer. Each costs a check of its signature for each new key of a CA
    // of that name.
    static constexpr std::size_t kMostUnverified = 1024;

    // Adds a list, and removes those that it supersedes at `now` if a CA of `cas` signed it. Returns the reason why
    // the list is not used, or "".
    std::string add(std::shared_ptr<const Crl> crl, const CasByName& cas, std::int64_t now);

    // Whether a list of this issuer here is signed by this CA's key.
    bool has_list_by(const X509& ca, const std::string& issuer) const;
    // Adds a list that was in force already, without checks.
    void restore(std::shared_ptr<const Crl> crl) { by_issuer_[crl->issuer()].push_back(std::move(crl)); }
    // Removes a list, if its signer is not verified yet.
    bool drop_unverified(const Crl& crl);
    bool holds(const Crl& crl) const;
    bool has_lists_of(const std::string& issuer) const { return by_issuer_.contains(issuer); }  // canonical name
    // Verifies the lists without a verified signer against new CAs.
    void verify_signers(const CasByName& cas) const;
    // Records that lists of this issuer (canonical name) exist but cannot be used, and why. The issuer's certificates
    // are stale until usable lists cover all reasons.
    void mark_unusable(const std::string& issuer, const std::string& why) { unusable_.emplace(issuer, why); }
    void forget_unusable() { unusable_.clear(); }

    bool empty() const { return by_issuer_.empty() && unusable_.empty(); }
    // By issuer, for display: the earliest nextUpdate of its lists; nothing if one of them has none.
    std::map<std::string, std::optional<std::int64_t>> next_updates() const;
    std::size_t size() const;

private:
    friend class CrlQuestion;
    std::map<std::string, std::vector<std::shared_ptr<const Crl>>, std::less<>> by_issuer_;  // by canonical name
    std::map<std::string, std::string> unusable_;                                            // issuer -> why
};

// The sets to consult, for example the policy's and mod_ssl's; they count together.
using CrlSets = std::vector<const CrlSet*>;
// The revocation status of a certificate (RFC 5280 6.3.3). Appends to `edges` each instant at which the result may
// change.
CrlStatus check_crls(const CrlSets& sets, const X509& certificate, const CrlSigners& signers, const CrlRules& rules,
                     std::int64_t now, std::vector<std::int64_t>& edges, std::string& detail);

}  // namespace mtls
