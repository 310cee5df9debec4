// Certificate revocation lists (RFC 5280 5 and 6.3). Data, not policy: whatever is wrong with one leaves the others in
// force.
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

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/trust/crl_record.hpp"

namespace mtls {

using X509CrlPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;

// MTLSCRL, MTLSCRLStale and MTLSShortLived: an absent part is inherited.
struct CrlRules {
    std::optional<bool> required;             // without a CRL: revocation-unknown
    std::optional<std::int64_t> stale_after;  // seconds past nextUpdate that are forgiven; INT64_MAX for `allow`
    std::optional<int> short_life = {};       // days; leaves with noRevAvail and no longer life need no CRL

    CrlRules over(const CrlRules& base) const {
        return {required ? required : base.required, stale_after ? stale_after : base.stale_after,
                short_life ? short_life : base.short_life};
    }
    static constexpr int kDefaultShortLife = 10;
    // Of a leaf: whether it needs no CRL even where one is required.
    bool spares(bool no_rev_avail, std::int64_t not_before, std::int64_t not_after) const {
        constexpr std::int64_t kDay = 86400;
        return no_rev_avail && not_after - not_before <= short_life.value_or(kDefaultShortLife) * kDay;
    }
};

// What the lists are asked about: one certificate.
struct CrlSubject {
    // A CRL distribution point (RFC 5280 4.2.1.13).
    struct Point {
        std::vector<std::string> names;  // comparable; empty where it has none
        // Canonical names; absent where the list is that of the certificate's issuer.
        std::optional<std::vector<std::string>> crl_issuers;
        unsigned reasons = 0;  // bits as in ReasonFlags
        bool leads_to(const std::string& crl_issuer, const std::string& issuer) const;
    };
    std::string issuer;  // canonical name
    std::string issuer_text;
    std::string serial;  // as serial_key() has it
    bool is_ca = false;  // its basicConstraints say so, wherever it is in a path
    std::vector<Point> points;

    explicit CrlSubject(const X509& certificate);
    bool is_left_to_others() const;  // each of its points names other CRL issuers
};

// What tells a list from others, and decides which of two takes the other's place.
struct CrlIdentity {
    std::string issuer;                      // canonical name
    std::string issuer_text;                 // for people
    std::string digest;                      // SHA-256 of the whole
    std::string scope;                       // comparable
    std::string signer_key;                  // as key_sha256() has it; empty: not known
    std::optional<std::string> number;       // as serial_key() has it
    std::optional<std::string> base_number;  // of a delta
    std::int64_t this_update = 0;

    bool is_delta() const { return base_number.has_value(); }
    bool same_scope(const CrlIdentity& other) const { return scope == other.scope && issuer == other.issuer; }
    // Whether this one is to be preferred to another list of the same scope.
    bool is_newer_than(const CrlIdentity& other) const;
    // Whether it takes the place of a list that the same key signed. A delta lists all changes since its base (RFC 5280
    // 5.2.4), so it takes the place of an older delta with the same base or a later one; of one with an earlier base it
    // does only together with a list that it completes.
    bool supersedes(const CrlIdentity& other) const;
};

// One list. Immutable but for the memory of who signed it; thread-safe.
class Crl {
public:
    // Takes over what was decoded. Refuses what RFC 5280 says not to use when it is not understood: unknown critical
    // extensions, attribute certificates, a scope that contradicts itself.
    static Result<std::shared_ptr<const Crl>> read(X509CrlPtr decoded);
    // One that keep() has put elsewhere. `before`: the same list, whose signer may be known; may be null.
    explicit Crl(std::shared_ptr<const CrlRecord> record, const Crl* before = nullptr);
    // Its record in this arena, with what is known of its signer now.
    CrlRecord keep(Arena& arena) const;

    enum class Entry { kAbsent, kRevoked, kRemoved };
    // What it says of a certificate; only an indirect list (RFC 5280 5.3.3) says anything of other issuers'
    // certificates.
    Entry entry(const CrlSubject& subject) const;

    // Whether this certificate's key signed it, remembered by key. Whether the certificate allows that is another
    // question: may_sign_crls().
    bool signed_by(const X509& certificate) const;
    bool signed_by_signer_of(const Crl& other) const;
    std::string signer_key() const;  // its SHA-256; empty where no key is known to have signed
    bool waits_for_signer() const { return signer_key().empty(); }

    // The reasons for which it says whether such a certificate is revoked, as bits (1 to 8 of ReasonFlags); nothing
    // where it is not about it.
    static constexpr unsigned kAllReasons = 0x1fe;
    std::optional<unsigned> reasons_about(const CrlSubject& subject) const;

    CrlIdentity identity() const;  // with the key, as far as it is known
    bool is_newer_than(const Crl& other) const { return id_.is_newer_than(other.id_); }
    bool same_scope(const Crl& other) const { return id_.same_scope(other.id_); }
    bool is_delta() const { return id_.is_delta(); }
    // RFC 5280 5.2.4, 6.3.3 (c): a delta takes back what a base of its scope says, where that is recent enough and
    // older.
    bool completes(const Crl& base) const;
    bool supersedes(const Crl& other) const { return id_.supersedes(other.id_); }
    bool is_same_as(const Crl& other) const { return id_.digest == other.id_.digest; }
    const std::string& digest() const { return id_.digest; }  // SHA-256 of the whole

    const std::string& issuer() const { return id_.issuer; }
    const std::string& issuer_text() const { return id_.issuer_text; }
    std::int64_t this_update() const { return id_.this_update; }
    std::optional<std::int64_t> next_update() const { return record_->next_update; }
    std::size_t size() const { return record_->size(); }

private:
    bool try_key(EVP_PKEY* key, const std::string& digest) const;
    bool has_point(const std::string& name) const;

    std::shared_ptr<const CrlRecord> record_;
    CrlIdentity id_;  // of it, without signer_key

    mutable std::mutex mutex_;
    mutable X509CrlPtr unverified_;         // while no key is known that signed it, decoded when first needed
    mutable std::set<std::string> others_;  // SHA-256 of keys that did not
    mutable EvpPkeyPtr signer_;             // decoded when first needed
    mutable std::string signer_key_;        // its SHA-256; empty: not known
};

// Whether its keyUsage, where it has one, has cRLSign (RFC 5280 6.3.3 (f)).
bool may_sign_crls(const X509& certificate);
// A serial number as CRL entries are looked up by it.
std::string serial_key(const ASN1_INTEGER& serial);

// What a PEM or DER file holds.
struct DecodedCrls {
    std::vector<X509CrlPtr> lists;
    std::string fault;                // why the file cannot be read; empty: it can
    std::vector<std::string> broken;  // canonical names of the issuers of lists that do not decode, as far as known
};
DecodedCrls decode_crls(const std::string& content);

// The issuer's canonical name of a CRL in DER or PEM that does not decode, as far as it is still there; or "".
std::string issuer_of_broken_crl(std::string_view content);

// The known CAs of a canonical name.
using CasByName = std::function<std::vector<X509Ptr>(const std::string&)>;

// Who may have signed the lists that count for one certificate.
enum class CrlSigner {
    kAnothers,  // has no path to the anchor that this certificate's path ends at
    kMayNot,    // has one, but its keyUsage does not let it
    kNoLonger,  // is expired or revoked: what it lists counts, what it does not say proves nothing
    kMay,
};
struct CrlSigners {
    CasByName named;                                  // those to ask about
    std::function<CrlSigner(X509& signer)> standing;  // each may be asked of repeatedly
};

enum class CrlStatus { kGood, kRevoked, kStale, kUnknown };

// The lists in force. Immutable once shared.
class CrlSet {
public:
    // Adds a list; those that it supersedes at `now` go, where `known` has the key. Returns what keeps it from
    // counting, or "".
    std::string add(std::shared_ptr<const Crl> crl, const CasByName& known, std::int64_t now);

    // Whether one of these bears the issuer's name with a key that signed no list here: for what it issued, `crl`
    // counts for nothing.
    bool leaves_out(const Crl& crl, const CasByName& anchors) const;
    // Adds a list that is in force.
    void restore(std::shared_ptr<const Crl> crl) { by_issuer_[crl->issuer()].push_back(std::move(crl)); }
    // Takes a list out again, if its signer is not known yet.
    bool drop_waiting(const Crl& crl);
    bool holds(const Crl& crl) const;
    // Lets CAs that became known verify the lists that wait for their signer.
    void learn(const CasByName& known) const;
    // Notes that lists of this issuer (canonical name) are there and cannot be used, and why: until usable ones say
    // all, its certificates are stale.
    void mark_unusable(const std::string& issuer, const std::string& why) { unusable_.emplace(issuer, why); }
    void forget_unusable() { unusable_.clear(); }

    bool empty() const { return by_issuer_.empty() && unusable_.empty(); }
    // By issuer, for people: the earliest nextUpdate of its lists; nothing where one of them has none.
    std::map<std::string, std::optional<std::int64_t>> next_updates() const;
    std::size_t size() const;

private:
    friend class CrlQuestion;
    std::map<std::string, std::vector<std::shared_ptr<const Crl>>, std::less<>> by_issuer_;  // by canonical name
    std::map<std::string, std::string> unusable_;                                            // issuer -> why
};

// Each where lists may be; they count together.
using CrlSets = std::vector<const CrlSet*>;
// What the lists say about a certificate (RFC 5280 6.3.3). Each instant at which the answer may change is appended to
// `edges`.
CrlStatus check_crls(const CrlSets& sets, const X509& certificate, const CrlSigners& signers, const CrlRules& rules,
                     std::int64_t now, std::vector<std::int64_t>& edges, std::string& detail);

}  // namespace mtls
