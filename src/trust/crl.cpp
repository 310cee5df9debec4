#include "mtls_authz/trust/crl.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/der.hpp"

namespace mtls {

namespace {

using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using EnumeratedPtr = std::unique_ptr<ASN1_ENUMERATED, FreeWith<ASN1_ENUMERATED_free>>;
using IdpPtr = std::unique_ptr<ISSUING_DIST_POINT, FreeWith<ISSUING_DIST_POINT_free>>;
using PointsPtr = std::unique_ptr<CRL_DIST_POINTS, FreeWith<CRL_DIST_POINTS_free>>;

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

constexpr long kRemoveFromCrl = 8;  // RFC 5280 5.3.1

// Compares numbers in the form of serial_key().
bool number_less(const std::string& a, const std::string& b) {
    if (a[0] != b[0]) return a[0] == '-';
    const bool less_far = a.size() != b.size() ? a.size() < b.size() : a < b;
    return a[0] == '-' ? !less_far && a != b : less_far;
}

std::string comparable(const GENERAL_NAME& name) {
    if (name.type == GEN_DIRNAME) return "d" + read_name(*name.d.directoryName).canonical;
    return "o" + encode(i2d_GENERAL_NAME, name);
}

// The names of a distribution point, comparable; empty if it has none. Nothing if they cannot be read. `base`: the name
// that a nameRelativeToCRLIssuer is relative to.
std::optional<std::vector<std::string>> point_names(DIST_POINT_NAME* point, const X509_NAME* base) {
    std::vector<std::string> out;
    if (point == nullptr) return out;
    constexpr int kFullName = 0;
    if (point->type != kFullName) {
        if (base == nullptr || DIST_POINT_set_dpname(point, base) != 1 || point->dpname == nullptr) return std::nullopt;
        out.push_back("d" + read_name(*point->dpname).canonical);
        return out;
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(point->name.fullname); ++i) {
        out.push_back(comparable(*sk_GENERAL_NAME_value(point->name.fullname, i)));
    }
    if (out.empty()) return std::nullopt;
    return out;
}

std::vector<std::string> directory_names(const GENERAL_NAMES* names) {
    std::vector<std::string> out;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DIRNAME) out.push_back(read_name(*name->d.directoryName).canonical);
    }
    return out;
}

// The name that a relative name may be based on, or nullptr (RFC 5280 4.2.1.13).
const X509_NAME* only_directory_name(const GENERAL_NAMES* names) {
    if (sk_GENERAL_NAME_num(names) != 1) return nullptr;
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, 0);
    return name->type == GEN_DIRNAME ? name->d.directoryName : nullptr;
}

// ReasonFlags (RFC 5280 4.2.1.13): all bits if absent.
unsigned reason_bits(const ASN1_BIT_STRING* flags) {
    if (flags == nullptr) return Crl::kAllReasons;
    unsigned out = 0;
    for (int bit = 1; bit <= 8; ++bit) {
        if (ASN1_BIT_STRING_get_bit(flags, bit) != 0) out |= 1U << bit;
    }
    return out;
}

}  // namespace

std::string serial_key(const ASN1_INTEGER& serial) {
    const std::string_view raw = octets_of(serial);
    const std::size_t first = std::min(raw.find_first_not_of('\0'), raw.size());
    return (ASN1_STRING_type(&serial) == V_ASN1_NEG_INTEGER ? "-" : "+") + std::string(raw.substr(first));
}

bool may_sign_crls(const X509& certificate) {
    // OpenSSL sets all bits if there is no keyUsage.
    return (X509_get_key_usage(const_cast<X509*>(&certificate)) & KU_CRL_SIGN) != 0;
}

bool CrlSubject::Point::leads_to(const std::string& crl_issuer, const std::string& ca) const {
    if (!crl_issuers) return crl_issuer == ca;
    return std::find(crl_issuers->begin(), crl_issuers->end(), crl_issuer) != crl_issuers->end();
}

bool CrlSubject::has_foreign_crl_issuers_only() const {
    return !points.empty() && std::none_of(points.begin(), points.end(),
                                           [this](const Point& point) { return point.leads_to(issuer, issuer); });
}

CrlSubject::CrlSubject(const X509& certificate) : serial(serial_key(*X509_get0_serialNumber(&certificate))) {
    const ErrorQueueGuard errors;
    const X509_NAME* const issuer_name = X509_get_issuer_name(&certificate);
    const DistinguishedName name = read_name(*issuer_name);
    issuer = name.canonical;
    issuer_text = name.text();
    // Not X509_check_ca(), which checks keyUsage too.
    is_ca = (X509_get_extension_flags(const_cast<X509*>(&certificate)) & EXFLAG_CA) != 0;
    const PointsPtr found(
        static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(&certificate, NID_crl_distribution_points, nullptr, nullptr)));
    for (int i = 0; i < sk_DIST_POINT_num(found.get()); ++i) {
        const DIST_POINT* const point = sk_DIST_POINT_value(found.get(), i);
        Point& out = points.emplace_back();
        const X509_NAME* base = issuer_name;
        if (point->CRLissuer != nullptr) {
            out.crl_issuers = directory_names(point->CRLissuer);
            base = only_directory_name(point->CRLissuer);
        }
        out.reasons = reason_bits(point->reasons);
        // An unreadable name matches no list.
        out.names = point_names(point->distpoint, base).value_or(std::vector<std::string>{""});
    }
}

namespace {

// Builds the record of a list.
class CrlReader {
public:
    explicit CrlReader(X509_CRL& list, Arena& arena)
        : list_(&list), whole_(encode(i2d_X509_CRL, list)), arena_(arena) {}

    Result<const CrlRecord*> read() {
        const DistinguishedName issuer = read_name(*X509_CRL_get_issuer(list_));
        record_.issuer = arena_.keep(issuer.canonical);
        record_.issuer_text = arena_.keep(issuer.text());
        record_.digest = arena_.keep(sha256(whole_));
        for (const auto step : {&CrlReader::read_dates, &CrlReader::read_extensions, &CrlReader::read_scope,
                                &CrlReader::read_entries, &CrlReader::read_signature}) {
            const std::string fault = (this->*step)();
            if (!fault.empty()) return Error{"the CRL of " + in_double_quotes(issuer.text()) + " " + fault};
        }
        return arena_.keep_one(record_);
    }

private:
    std::string read_dates() {
        const auto from = epoch_of(X509_CRL_get0_lastUpdate(list_));
        if (!from) return "has no readable thisUpdate";
        record_.this_update = *from;
        record_.next_update = epoch_of(X509_CRL_get0_nextUpdate(list_));
        return {};
    }

    std::string read_extensions() {
        std::set<int> seen;
        for (int i = 0; i < X509_CRL_get_ext_count(list_); ++i) {
            auto* const extension = X509_CRL_get_ext(list_, i);
            const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
            const bool supported = nid == NID_crl_number || nid == NID_delta_crl ||
                                   nid == NID_issuing_distribution_point || nid == NID_authority_key_identifier;
            if (X509_EXTENSION_get_critical(extension) != 0 && !supported) return "has an unknown critical extension";
            if (supported && !seen.insert(nid).second) return "has an extension twice";
            if (nid == NID_authority_key_identifier) {
                record_.authority_key = arena_.keep(encode(i2d_ASN1_OCTET_STRING, *X509_EXTENSION_get_data(extension)));
            }
        }
        const IntegerPtr number(
            static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list_, NID_crl_number, nullptr, nullptr)));
        if (seen.contains(NID_crl_number) && !number) return "has a crlNumber that cannot be read";
        if (number) record_.number = arena_.keep(serial_key(*number));
        if (!seen.contains(NID_delta_crl)) return {};
        const IntegerPtr base(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list_, NID_delta_crl, nullptr, nullptr)));
        if (!base || !number) return "is a delta whose numbers cannot be read";
        record_.base_number = arena_.keep(serial_key(*base));
        return {};
    }

    std::string read_scope() {
        int critical = 0;
        const IdpPtr idp(static_cast<ISSUING_DIST_POINT*>(
            X509_CRL_get_ext_d2i(list_, NID_issuing_distribution_point, &critical, nullptr)));
        record_.reasons = Crl::kAllReasons;
        record_.scope = arena_.keep("R" + std::to_string(Crl::kAllReasons));
        if (!idp) return critical >= 0 ? "has an issuingDistributionPoint that does not decode" : "";
        const int kinds = (idp->onlyuser != 0 ? 1 : 0) + (idp->onlyCA != 0 ? 1 : 0) + (idp->onlyattr != 0 ? 1 : 0);
        if (kinds > 1) return "is about several kinds of certificates only at once, and so about none";
        if (idp->onlyattr != 0) return "is about attribute certificates";
        record_.indirect = idp->indirectCRL != 0;
        record_.only_user = idp->onlyuser != 0;
        record_.only_ca = idp->onlyCA != 0;
        record_.reasons = reason_bits(idp->onlysomereasons);
        std::string scope = std::string(record_.only_user ? "U" : "") + (record_.only_ca ? "C" : "") +
                            (record_.indirect ? "I" : "") + "R" + std::to_string(record_.reasons);
        if (idp->distpoint != nullptr) {
            auto names = point_names(idp->distpoint, X509_CRL_get_issuer(list_));
            if (!names) return "has a distribution point whose name cannot be read";
            std::sort(names->begin(), names->end());
            std::vector<Text> points;
            for (const std::string& point : *names) {
                scope += std::to_string(point.size()) + ":" + point;
                points.emplace_back(arena_.keep(point));
            }
            record_.points = Span<Text>(arena_.keep(points));
        }
        record_.scope = arena_.keep(scope);
        return {};
    }

    std::string read_entries() {
        STACK_OF(X509_REVOKED)* const revoked = X509_CRL_get_REVOKED(list_);
        const int count = revoked != nullptr ? sk_X509_REVOKED_num(revoked) : 0;
        struct Serials {
            SerialSetBuilder revoked, removed;
        };
        std::map<std::string, Serials> by_issuer;
        // The issuers of this entry and the following ones, until an entry names others (RFC 5280 5.3.3); "" for the
        // list's own.
        std::vector<Serials*> issuers = {&by_issuer[""]};
        // Each entry counts for each of its issuers: a small list can stand for very many such pairs.
        constexpr std::size_t kMostPairs = 1'000'000;
        std::size_t pairs = 0;
        for (int i = 0; i < count; ++i) {
            const X509_REVOKED* const entry = sk_X509_REVOKED_value(revoked, i);
            bool removed = false;
            for (int e = 0; e < X509_REVOKED_get_ext_count(entry); ++e) {
                auto* const extension = X509_REVOKED_get_ext(entry, e);
                const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
                const bool supported = nid == NID_crl_reason || nid == NID_invalidity_date ||
                                       (nid == NID_certificate_issuer && record_.indirect);
                if (X509_EXTENSION_get_critical(extension) != 0 && !supported) {
                    return "has an entry with an unknown critical extension";
                }
                if (nid == NID_crl_reason) removed = is_removal(*entry);
                if (nid != NID_certificate_issuer || !record_.indirect) continue;
                issuers.clear();
                for (const std::string& name : read_issuers(*entry)) issuers.push_back(&by_issuer[name]);
                if (issuers.empty()) return "has an entry whose certificateIssuer cannot be read";
            }
            pairs += issuers.size();
            if (pairs > kMostPairs && pairs > static_cast<std::size_t>(count)) {
                return "has entries of several issuers at once, more than 1,000,000 in all";
            }
            const std::string serial = serial_key(*X509_REVOKED_get0_serialNumber(entry));
            for (Serials* const serials : issuers) (removed ? serials->removed : serials->revoked).add(serial);
        }
        std::vector<CrlEntries> entries;
        for (auto& [issuer, serials] : by_issuer) {
            entries.push_back({arena_.keep(issuer), serials.revoked.finish(arena_), serials.removed.finish(arena_)});
        }
        record_.entries = arena_.keep(entries);
        return {};
    }

    // Of algorithms that sign a hash, the hash is kept. Others sign the list itself, or have parameters (RSASSA-PSS).
    std::string read_signature() {
        const X509_ALGOR* algorithm = nullptr;
        const ASN1_BIT_STRING* signature = nullptr;
        X509_CRL_get0_signature(list_, &signature, &algorithm);
        int hash = NID_undef, key = NID_undef;
        const bool is_known = OBJ_find_sigid_algs(OBJ_obj2nid(algorithm->algorithm), &hash, &key) == 1;
        const bool has_plain_hash = is_known && (key == NID_rsaEncryption || key == NID_X9_62_id_ecPublicKey);
        const EVP_MD* const md = has_plain_hash ? EVP_get_digestbynid(hash) : nullptr;
        const auto list = DerReader(whole_).next();
        const auto part = list ? DerReader(list->content).next() : std::nullopt;
        constexpr int kUnusedBits = 7;  // with some, OpenSSL refuses the signature
        if (md == nullptr || !part || (signature->flags & kUnusedBits) != 0) {
            record_.whole = arena_.keep(whole_);
            return {};
        }
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        if (EVP_Digest(part->encoding.data(), part->encoding.size(), digest.data(), &size, md, nullptr) != 1)
            throw std::bad_alloc();
        record_.digest_nid = hash;
        record_.key_nid = key;
        record_.signature = arena_.keep(octets_of(*signature));
        record_.signed_digest = arena_.keep(std::string_view(reinterpret_cast<const char*>(digest.data()), size));
        return {};
    }

    // Empty if they cannot be read; "" for the list's own issuer.
    std::vector<std::string> read_issuers(const X509_REVOKED& entry) const {
        const NamesPtr names(
            static_cast<GENERAL_NAMES*>(X509_REVOKED_get_ext_d2i(&entry, NID_certificate_issuer, nullptr, nullptr)));
        std::vector<std::string> out = directory_names(names.get());
        std::replace(out.begin(), out.end(), std::string(record_.issuer.view()), std::string());
        return out;
    }

    bool is_removal(const X509_REVOKED& entry) const {
        const EnumeratedPtr reason(
            static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(&entry, NID_crl_reason, nullptr, nullptr)));
        // In a complete list removeFromCRL has no meaning: the entry counts as a revocation.
        return record_.base_number && reason && ASN1_ENUMERATED_get(reason.get()) == kRemoveFromCrl;
    }

    X509_CRL* list_;
    const std::string whole_;  // DER
    Arena& arena_;
    CrlRecord record_;
};

std::string string_of(const Text& text) { return std::string(text.view()); }
std::optional<std::string> string_of(const std::optional<Text>& text) {
    return text ? std::optional(string_of(*text)) : std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const Crl>> Crl::read(X509CrlPtr decoded) {
    const ErrorQueueGuard errors;
    auto arena = std::make_shared<Arena>();
    const auto record = CrlReader(*decoded, *arena).read();
    if (!record.ok()) return Error{record.error()};
    const std::shared_ptr<const CrlRecord> kept(std::move(arena), record.value());
    return std::shared_ptr<const Crl>(std::make_shared<const Crl>(kept));
}

Crl::Crl(std::shared_ptr<const CrlRecord> record, const Crl* before) : record_(std::move(record)) {
    const CrlRecord& r = *record_;
    id_ = {string_of(r.issuer), string_of(r.issuer_text), string_of(r.digest), string_of(r.scope),
           string_of(r.number), string_of(r.base_number), r.this_update};
    for (const CrlRecord::Signer& signer : r.signers) signers_.emplace(string_of(signer.sha256), string_of(signer.key));
    if (before == nullptr) return;
    const std::lock_guard lock(before->mutex_);
    others_ = before->others_;
    signers_.insert(before->signers_.begin(), before->signers_.end());
}

CrlRecord Crl::keep(Arena& arena) const {
    CrlRecord out = record_->keep(arena);
    std::vector<CrlRecord::Signer> signers;
    const std::lock_guard lock(mutex_);
    for (const auto& [digest, key] : signers_) signers.push_back({arena.keep(digest), arena.keep(key)});
    out.signers = arena.keep(signers);
    return out;
}

Crl::Entry Crl::entry(const CrlSubject& subject) const {
    const bool own = subject.issuer == id_.issuer;
    if (!own && !record_->indirect) return Entry::kAbsent;
    const std::string_view issuer = own ? std::string_view() : std::string_view(subject.issuer);
    for (const CrlEntries& of : record_->entries) {
        if (of.issuer != issuer) continue;
        if (of.revoked.contains(subject.serial)) return Entry::kRevoked;
        if (of.removed.contains(subject.serial)) return Entry::kRemoved;
    }
    return Entry::kAbsent;
}

// As X509_CRL_verify() does it, which needs the whole list.
bool Crl::verifies_by(EVP_PKEY& key) const {
    const CrlRecord& r = *record_;
    if (r.digest_nid == NID_undef) {
        if (!whole_) {
            const auto* at = bytes_of(r.whole).data();
            whole_.reset(d2i_X509_CRL(nullptr, &at, static_cast<long>(r.whole.size())));
        }
        return whole_ && X509_CRL_verify(whole_.get(), &key) == 1;
    }
    if (EVP_PKEY_get_base_id(&key) != r.key_nid) return false;
    const KeyContextPtr ctx(EVP_PKEY_CTX_new(&key, nullptr));
    const EVP_MD* const hash = EVP_get_digestbynid(r.digest_nid);
    return ctx && hash != nullptr && EVP_PKEY_verify_init(ctx.get()) == 1 &&
           EVP_PKEY_CTX_set_signature_md(ctx.get(), hash) == 1 &&
           EVP_PKEY_verify(ctx.get(), bytes_of(r.signature).data(), r.signature.size(),
                           bytes_of(r.signed_digest).data(), r.signed_digest.size()) == 1;
}

// `decode` returns the key, or null; called only if nothing is known of it yet.
template <class Decode>
bool Crl::try_key(const std::string& digest, Decode decode) const {
    const std::lock_guard lock(mutex_);
    if (signers_.contains(digest)) return true;
    if (others_.contains(digest)) return false;
    const ErrorQueueGuard errors;
    const EvpPkeyPtr key = decode();
    if (!key) return false;
    if (verifies_by(*key)) {
        signers_.emplace(digest, encode(i2d_PUBKEY, *key));
        return true;
    }
    constexpr std::size_t kMostRemembered = 64;
    if (others_.size() < kMostRemembered) others_.insert(digest);
    return false;
}

std::string Crl::signer_in(const X509& certificate) const {
    std::string digest = key_sha256(certificate);
    const auto decode = [&certificate] {
        EvpPkeyPtr key(X509_get_pubkey(const_cast<X509*>(&certificate)));
        if (!key || EVP_PKEY_is_a(key.get(), "RSA-PSS") != 1) return key;
        // The digest is of the key in each of its encodings, so the result must not depend on that: under
        // id-RSASSA-PSS, it would verify no other signatures.
        const std::string_view encoded = octets_of(*X509_get0_pubkey_bitstr(&certificate));
        const auto* at = bytes_of(encoded).data();
        return EvpPkeyPtr(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(encoded.size())));
    };
    return try_key(digest, decode) ? digest : std::string();
}

bool Crl::signed_by_signers_of(const Crl& other) const {
    if (&other == this) return !is_unverified();
    std::map<std::string, std::string> keys;
    {
        const std::lock_guard lock(other.mutex_);
        keys = other.signers_;
    }
    const auto signed_it = [this](const auto& signer) {
        return try_key(signer.first, [&key = signer.second] {
            const auto* at = bytes_of(key).data();
            return EvpPkeyPtr(d2i_PUBKEY(nullptr, &at, static_cast<long>(key.size())));
        });
    };
    return !keys.empty() && std::count_if(keys.begin(), keys.end(), signed_it) == std::ssize(keys);
}

bool Crl::is_unverified() const {
    const std::lock_guard lock(mutex_);
    return signers_.empty();
}

bool Crl::has_point(const std::string& name) const {
    return std::binary_search(record_->points->begin(), record_->points->end(), name);
}

std::optional<unsigned> Crl::reasons_about(const CrlSubject& subject) const {
    const CrlRecord& list = *record_;
    const bool own = id_.issuer == subject.issuer;
    if (!own && !list.indirect) return std::nullopt;
    const auto has = [this](const std::string& name) { return has_point(name); };
    // A scope restricts what a missing entry proves. An entry is of one certificate, whatever the scope: a list of the
    // issuer, and of a CRL issuer that the certificate names, is looked at in any case.
    std::optional<unsigned> out = own ? std::optional(0U) : std::nullopt;
    for (const CrlSubject::Point& point : subject.points) {
        if (!point.leads_to(id_.issuer, subject.issuer)) continue;
        if (!out) out = 0;
        if (!list.points || std::any_of(point.names.begin(), point.names.end(), has)) {
            *out |= point.reasons;
        } else if (point.names.empty() && has("d" + id_.issuer)) {
            // RFC 5280 6.3.3 (b)(2)(i): without a name, the point is the name of the list's issuer.
            *out |= point.reasons;
        }
    }
    // RFC 5280 6.3.3, last paragraph: an issuer's own list without a distribution point covers all its certificates. It
    // may be incomplete for those whose points name other CRL issuers.
    if (own && !list.points) out = subject.has_foreign_crl_issuers_only() ? 0 : kAllReasons;
    if (!out) return std::nullopt;
    const bool is_of_other_kind = subject.is_ca ? list.only_user : list.only_ca;
    return is_of_other_kind ? 0 : *out & list.reasons;
}

bool CrlIdentity::is_newer_than(const CrlIdentity& other) const {
    if (number && other.number && number != other.number) return number_less(*other.number, *number);
    return this_update > other.this_update;
}

bool CrlIdentity::supersedes(const CrlIdentity& other) const {
    if (!same_scope(other)) return false;
    if (is_delta() != other.is_delta()) return other.is_delta() && number && !number_less(*number, *other.number);
    const bool covers = !is_delta() || !number_less(*other.base_number, *base_number);
    return covers && is_newer_than(other);
}

bool Crl::replaces_unverified(const Crl& other, std::int64_t now) const {
    return is_unverified() && other.is_unverified() && record_->authority_key == other.record_->authority_key &&
           supersedes(other) && (this_update() <= now || other.this_update() > now);
}

bool Crl::completes(const Crl& base) const {
    return is_delta() && !base.is_delta() && same_scope(base) &&
           record_->authority_key == base.record_->authority_key && base.id_.number &&
           !number_less(*base.id_.number, *id_.base_number) && number_less(*base.id_.number, *id_.number);
}

}  // namespace mtls
