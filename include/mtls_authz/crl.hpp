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
#include <unordered_map>
#include <vector>

#include "mtls_authz/openssl_types.hpp"
#include "mtls_authz/result.hpp"

namespace mtls {

using X509CrlPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;

// MTLSCRL and MTLSCRLStale: an absent part is inherited.
struct CrlRules {
    std::optional<bool> required;             // without a CRL: revocation-unknown
    std::optional<std::int64_t> stale_after;  // seconds past nextUpdate that are forgiven; INT64_MAX for `allow`

    CrlRules over(const CrlRules& base) const {
        return {required ? required : base.required, stale_after ? stale_after : base.stale_after};
    }
};

// One list. Immutable but for a cache; thread-safe.
class Crl {
public:
    // Takes over what was decoded. Refuses what RFC 5280 says not to use when it is not understood: unknown critical
    // extensions, attribute certificates, names relative to the issuer.
    static Result<std::shared_ptr<const Crl>> read(X509CrlPtr decoded);

    enum class Entry { kAbsent, kRevoked, kRemoved };
    // What it says of a certificate. `serial`: as serial_key() has it; `certificate_issuer`: canonical name; only an
    // indirect list (RFC 5280 5.3.3) says anything of other issuers' certificates. Constant time.
    Entry entry(const std::string& serial, const std::string& certificate_issuer) const;
    bool is_indirect() const { return indirect_; }

    // Whether this CA signed it: its key, and cRLSign where it has a keyUsage. Remembered.
    bool signed_by(X509& ca) const;
    // Whether it is about such certificates: user or CA, and the distribution point where it is restricted to one.
    bool covers(bool is_ca, const std::vector<std::string>& distribution_points) const;
    bool waits_for_signer() const;
    bool covers_all_reasons() const { return !some_reasons_; }

    // Whether this one is to be preferred to an older list of the same issuer, kind and scope.
    bool is_newer_than(const Crl& other) const;
    bool same_scope(const Crl& other) const { return scope_ == other.scope_ && is_delta() == other.is_delta(); }
    bool is_delta() const { return base_number_.has_value(); }
    // RFC 5280 5.2.4: a delta counts with a base of its scope that is recent enough.
    bool completes(const Crl& base) const;

    const std::string& issuer() const { return issuer_; }            // canonical name
    const std::string& issuer_text() const { return issuer_text_; }  // for people
    std::int64_t this_update() const { return this_update_; }
    std::optional<std::int64_t> next_update() const { return next_update_; }
    std::size_t size() const { return entries_.size(); }

private:
    std::string issuer_;
    std::string issuer_text_;
    std::string number_;  // big-endian without leading zeros; empty where absent
    std::optional<std::string> base_number_;
    std::int64_t this_update_ = 0;
    std::optional<std::int64_t> next_update_;
    bool only_user_ = false;
    bool only_ca_ = false;
    bool some_reasons_ = false;
    bool indirect_ = false;
    std::vector<std::string> points_;  // sorted; empty: not restricted
    std::string scope_;
    std::unordered_map<std::string, bool> entries_;  // serial -> removeFromCRL

    mutable std::mutex mutex_;
    mutable X509CrlPtr unverified_;                // kept until a key was found that signed it
    mutable std::map<std::string, bool> signers_;  // SHA-256 of a key -> whether it signed

    friend class CrlReader;
};

// The serial number of a certificate as CRL entries are looked up by it.
std::string serial_key(const ASN1_INTEGER& serial);
// A CRL distribution point of a certificate (RFC 5280 4.2.1.13).
struct DistributionPoint {
    std::vector<std::string> names;  // comparable; empty where it has none
    std::vector<std::string>
        crl_issuers;  // canonical names, where the list is another one's than the certificate's issuer
};
std::vector<DistributionPoint> distribution_points(const X509& certificate);

// All CRLs of one PEM or DER file, decoded; an error where there is none, or one does not decode.
Result<std::vector<X509CrlPtr>> decode_crls(const std::string& content);

// The issuer's canonical name of a CRL in DER or PEM that is cut short, as far as it is still there; or "".
std::string issuer_of_broken_crl(const std::string& content);

// The known CAs of a canonical name.
using CasByName = std::function<std::vector<X509Ptr>(const std::string&)>;

enum class CrlStatus { kGood, kRevoked, kStale, kUnknown };

// The lists in force. Immutable once shared.
class CrlSet {
public:
    // Adds a list; lists of the same CA and scope that it supersedes go, where `known` has the key. Returns what keeps
    // it from counting now, or "".
    std::string add(std::shared_ptr<const Crl> crl, const CasByName& known);

    // What the lists signed by `issuer` say about a certificate that it issued, and the indirect lists of `signers` to
    // which the certificate points: these have to be verified under the same anchor already. Each instant at which the
    // answer may change is appended to `edges`.
    CrlStatus check(const X509& certificate, X509& issuer, bool is_ca, const std::vector<X509*>& signers,
                    const CrlRules& rules, std::int64_t now, std::vector<std::int64_t>& edges,
                    std::string& detail) const;

    // Lets CAs that became known verify the lists that wait for their signer.
    void learn(const CasByName& known) const;
    // Notes that a list of this issuer (canonical name) was there and cannot be used: until a usable one is at hand,
    // what it would be about is stale.
    void mark_unusable(std::string issuer) { unusable_.insert(std::move(issuer)); }

    bool empty() const { return by_issuer_.empty(); }
    // By issuer, for people: the earliest nextUpdate of its lists; nothing where one of them has none.
    std::map<std::string, std::optional<std::int64_t>> next_updates() const;
    std::size_t size() const;

private:
    std::map<std::string, std::vector<std::shared_ptr<const Crl>>, std::less<>> by_issuer_;  // by canonical name
    std::set<std::string> unusable_;

    bool only_unusable(const std::string& issuer) const;
};

}  // namespace mtls
