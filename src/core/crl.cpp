#include "mtls_authz/crl.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <set>

#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/der.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using EnumeratedPtr = std::unique_ptr<ASN1_ENUMERATED, FreeWith<ASN1_ENUMERATED_free>>;
using IdpPtr = std::unique_ptr<ISSUING_DIST_POINT, FreeWith<ISSUING_DIST_POINT_free>>;
using PointsPtr = std::unique_ptr<CRL_DIST_POINTS, FreeWith<CRL_DIST_POINTS_free>>;

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

constexpr long kRemoveFromCrl = 8;  // RFC 5280 5.3.1

bool number_less(const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// The full names of a distribution point, comparable; nothing where it is named relative to the issuer.
std::optional<std::vector<std::string>> point_names(const DIST_POINT_NAME* point) {
    std::vector<std::string> out;
    if (point == nullptr) return out;
    constexpr int kFullName = 0;
    if (point->type != kFullName) return std::nullopt;
    for (int i = 0; i < sk_GENERAL_NAME_num(point->name.fullname); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(point->name.fullname, i);
        if (name->type == GEN_URI) {
            const ASN1_STRING* const uri = name->d.uniformResourceIdentifier;
            out.push_back("u" + std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                            static_cast<std::size_t>(ASN1_STRING_length(uri))));
        } else if (name->type == GEN_DIRNAME) {
            out.push_back("d" + read_name(*name->d.directoryName).canonical);
        }
    }
    return out;
}

}  // namespace

std::string serial_key(const ASN1_INTEGER& serial) {
    const std::string_view raw(reinterpret_cast<const char*>(ASN1_STRING_get0_data(&serial)),
                               static_cast<std::size_t>(ASN1_STRING_length(&serial)));
    const std::size_t first = std::min(raw.find_first_not_of('\0'), raw.size());
    return (ASN1_STRING_type(&serial) == V_ASN1_NEG_INTEGER ? "-" : "+") + std::string(raw.substr(first));
}

std::vector<DistributionPoint> distribution_points(const X509& certificate) {
    const ErrorQueueGuard errors;
    const PointsPtr points(
        static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(&certificate, NID_crl_distribution_points, nullptr, nullptr)));
    std::vector<DistributionPoint> out;
    for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
        const DIST_POINT* const point = sk_DIST_POINT_value(points.get(), i);
        auto names = point_names(point->distpoint);
        if (!names) continue;
        DistributionPoint one{std::move(*names), {}};
        for (int k = 0; point->CRLissuer != nullptr && k < sk_GENERAL_NAME_num(point->CRLissuer); ++k) {
            const GENERAL_NAME* const name = sk_GENERAL_NAME_value(point->CRLissuer, k);
            if (name->type == GEN_DIRNAME) one.crl_issuers.push_back(read_name(*name->d.directoryName).canonical);
        }
        out.push_back(std::move(one));
    }
    return out;
}

// Fills one Crl from OpenSSL's object.
class CrlReader {
public:
    Result<std::shared_ptr<const Crl>> read(X509CrlPtr decoded) {
        const ErrorQueueGuard errors;
        crl_ = std::make_shared<Crl>();
        list_ = decoded.get();
        const DistinguishedName issuer = read_name(*X509_CRL_get_issuer(list_));
        crl_->issuer_ = issuer.canonical;
        crl_->issuer_text_ = issuer.text();
        for (const auto step :
             {&CrlReader::read_dates, &CrlReader::read_extensions, &CrlReader::read_scope, &CrlReader::read_entries}) {
            const std::string fault = (this->*step)();
            if (!fault.empty()) return Error{"the CRL of \"" + escape_for_log(issuer.text(), 200) + "\" " + fault};
        }
        crl_->unverified_ = std::move(decoded);
        return std::shared_ptr<const Crl>(std::move(crl_));
    }

private:
    std::string read_dates() {
        const auto from = epoch_of(X509_CRL_get0_lastUpdate(list_));
        if (!from) return "has no readable thisUpdate";
        crl_->this_update_ = *from;
        crl_->next_update_ = epoch_of(X509_CRL_get0_nextUpdate(list_));
        return {};
    }

    std::string read_extensions() {
        std::set<int> seen;
        for (int i = 0; i < X509_CRL_get_ext_count(list_); ++i) {
            X509_EXTENSION* const extension = X509_CRL_get_ext(list_, i);
            const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
            const bool known = nid == NID_crl_number || nid == NID_delta_crl || nid == NID_issuing_distribution_point ||
                               nid == NID_authority_key_identifier;
            if (X509_EXTENSION_get_critical(extension) != 0 && !known) return "has an unknown critical extension";
            if (known && !seen.insert(nid).second) return "has an extension twice";
        }
        const IntegerPtr number(
            static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list_, NID_crl_number, nullptr, nullptr)));
        if (number) crl_->number_ = serial_key(*number).substr(1);
        if (!seen.contains(NID_delta_crl)) return {};
        const IntegerPtr base(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list_, NID_delta_crl, nullptr, nullptr)));
        if (!base || !number) return "is a delta whose numbers cannot be read";
        crl_->base_number_ = serial_key(*base).substr(1);
        return {};
    }

    std::string read_scope() {
        int critical = 0;
        const IdpPtr idp(static_cast<ISSUING_DIST_POINT*>(
            X509_CRL_get_ext_d2i(list_, NID_issuing_distribution_point, &critical, nullptr)));
        if (!idp) return critical >= 0 ? "has an issuingDistributionPoint that does not decode" : "";
        if (idp->onlyattr != 0) return "is about attribute certificates";
        crl_->indirect_ = idp->indirectCRL != 0;
        auto names = point_names(idp->distpoint);
        if (!names) return "names its distribution point relative to its issuer, which is not supported";
        crl_->only_user_ = idp->onlyuser != 0;
        crl_->only_ca_ = idp->onlyCA != 0;
        crl_->some_reasons_ = idp->onlysomereasons != nullptr;
        crl_->points_ = std::move(*names);
        std::sort(crl_->points_.begin(), crl_->points_.end());
        crl_->scope_ = std::string(crl_->only_user_ ? "U" : "") + (crl_->only_ca_ ? "C" : "") +
                       (crl_->some_reasons_ ? "R" : "") + (crl_->indirect_ ? "I" : "");
        for (const std::string& point : crl_->points_) crl_->scope_ += std::to_string(point.size()) + ":" + point;
        return {};
    }

    std::string read_entries() {
        STACK_OF(X509_REVOKED)* const revoked = X509_CRL_get_REVOKED(list_);
        const int count = revoked != nullptr ? sk_X509_REVOKED_num(revoked) : 0;
        crl_->entries_.reserve(static_cast<std::size_t>(std::max(count, 0)));
        std::string other_issuer;  // of this entry and those after it, until another is named (RFC 5280 5.3.3)
        for (int i = 0; i < count; ++i) {
            const X509_REVOKED* const entry = sk_X509_REVOKED_value(revoked, i);
            bool removed = false;
            for (int e = 0; e < X509_REVOKED_get_ext_count(entry); ++e) {
                X509_EXTENSION* const extension = X509_REVOKED_get_ext(entry, e);
                const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
                const bool known = nid == NID_crl_reason || nid == NID_invalidity_date ||
                                   (nid == NID_certificate_issuer && crl_->indirect_);
                if (X509_EXTENSION_get_critical(extension) != 0 && !known) {
                    return "has an entry with an unknown critical extension";
                }
                if (nid == NID_crl_reason) removed = is_removal(*entry);
                if (nid == NID_certificate_issuer && crl_->indirect_ && !read_issuer(*entry, other_issuer)) {
                    return "has an entry whose certificateIssuer cannot be read";
                }
            }
            crl_->entries_[other_issuer + serial_key(*X509_REVOKED_get0_serialNumber(entry))] = removed;
        }
        return {};
    }

    bool read_issuer(const X509_REVOKED& entry, std::string& other_issuer) const {
        const NamesPtr names(
            static_cast<GENERAL_NAMES*>(X509_REVOKED_get_ext_d2i(&entry, NID_certificate_issuer, nullptr, nullptr)));
        for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
            const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
            if (name->type != GEN_DIRNAME) continue;
            other_issuer = read_name(*name->d.directoryName).canonical;
            if (other_issuer == crl_->issuer_) other_issuer.clear();
            return true;
        }
        return false;
    }

    bool is_removal(const X509_REVOKED& entry) const {
        const EnumeratedPtr reason(
            static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(&entry, NID_crl_reason, nullptr, nullptr)));
        // In a complete list removeFromCRL has no meaning; then it is taken for what it stands in: a revocation.
        return crl_->is_delta() && reason && ASN1_ENUMERATED_get(reason.get()) == kRemoveFromCrl;
    }

    std::shared_ptr<Crl> crl_;
    X509_CRL* list_ = nullptr;
};

Result<std::shared_ptr<const Crl>> Crl::read(X509CrlPtr decoded) { return CrlReader().read(std::move(decoded)); }

Crl::Entry Crl::entry(const std::string& serial, const std::string& certificate_issuer) const {
    const bool own = certificate_issuer == issuer_;
    if (!own && !indirect_) return Entry::kAbsent;
    const auto found = entries_.find(own ? serial : certificate_issuer + serial);
    if (found == entries_.end()) return Entry::kAbsent;
    return found->second ? Entry::kRemoved : Entry::kRevoked;
}

bool Crl::signed_by(X509& ca) const {
    const std::string key = spki_sha256(ca);
    const std::lock_guard lock(mutex_);
    const auto known = signers_.find(key);
    if (known != signers_.end()) return known->second;
    // A list is signed by one key: once that is known, no other did.
    if (!unverified_) return false;
    const ErrorQueueGuard errors;
    const bool may_sign = (X509_get_key_usage(&ca) & KU_CRL_SIGN) != 0;  // all bits are set where there is no keyUsage
    EVP_PKEY* const public_key = X509_get0_pubkey(&ca);
    const bool ok = may_sign && public_key != nullptr && X509_CRL_verify(unverified_.get(), public_key) == 1;
    constexpr std::size_t kMostRemembered = 64;
    if (ok || signers_.size() < kMostRemembered) signers_[key] = ok;
    if (ok) unverified_.reset();
    return ok;
}

bool Crl::waits_for_signer() const {
    const std::lock_guard lock(mutex_);
    return unverified_ != nullptr;
}

bool Crl::covers(bool is_ca, const std::vector<std::string>& points) const {
    if ((only_user_ && is_ca) || (only_ca_ && !is_ca)) return false;
    return points_.empty() || std::any_of(points.begin(), points.end(), [this](const std::string& point) {
               return std::binary_search(points_.begin(), points_.end(), point);
           });
}

bool Crl::is_newer_than(const Crl& other) const {
    if (!number_.empty() && !other.number_.empty() && number_ != other.number_)
        return number_less(other.number_, number_);
    return this_update_ > other.this_update_;
}

bool Crl::completes(const Crl& base) const {
    return is_delta() && !base.is_delta() && scope_ == base.scope_ && !base.number_.empty() &&
           !number_less(base.number_, *base_number_) && !number_less(number_, base.number_);
}

Result<std::vector<X509CrlPtr>> decode_crls(const std::string& content) {
    const ErrorQueueGuard errors;
    std::vector<X509CrlPtr> out;
    const auto* der = bytes_of(content).data();
    X509CrlPtr single(d2i_X509_CRL(nullptr, &der, static_cast<long>(content.size())));
    if (single && der == bytes_of(content).data() + content.size()) {
        out.push_back(std::move(single));
        return out;
    }
    ERR_clear_error();
    const BioPtr bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    for (;;) {
        X509CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
        if (!crl) break;
        out.push_back(std::move(crl));
    }
    const unsigned long last = ERR_peek_last_error();
    const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (out.empty() || !at_end)
        return Error{out.empty() ? "holds no CRL, neither PEM nor DER" : "holds a CRL that cannot be read"};
    return out;
}

std::string issuer_of_broken_crl(const std::string& content) {
    const ErrorQueueGuard errors;
    std::string der = content;
    constexpr std::string_view kBegin = "-----BEGIN X509 CRL-----";
    if (const std::size_t begin = content.find(kBegin); begin != std::string::npos) {
        std::string base64;
        for (const char c : content.substr(begin + kBegin.size())) {
            if (is_alnum(c) || c == '+' || c == '/') base64 += c;
            if (c == '-') break;
        }
        base64.resize(base64.size() / 4 * 4);
        der.assign(base64.size() / 4 * 3, '\0');
        const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(der.data()), bytes_of(base64).data(),
                                      static_cast<int>(base64.size()));
        der.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    // CertificateList and TBSCertList, whose lengths are no longer true; version, signature, and the name.
    std::string_view rest = der;
    for (int level = 0; level < 2; ++level) {
        if (rest.size() < 2 || static_cast<std::uint8_t>(rest[0]) != kDerSequence) return {};
        const auto length = static_cast<std::uint8_t>(rest[1]);
        rest.remove_prefix(std::min<std::size_t>(rest.size(), length < 0x80 ? 2U : 2U + (length & 0x7fU)));
    }
    DerReader reader(rest);
    auto element = reader.next();
    if (element && element->tag == V_ASN1_INTEGER) element = reader.next();
    if (!element || element->tag != kDerSequence) return {};
    const auto name = reader.next(kDerSequence);
    if (!name) return {};
    const auto* p = bytes_of(name->encoding).data();
    const X509NamePtr parsed(d2i_X509_NAME(nullptr, &p, static_cast<long>(name->encoding.size())));
    return parsed && X509_NAME_entry_count(parsed.get()) > 0 ? read_name(*parsed).canonical : std::string();
}

// ---- the set --------------------------------------------------------------------------------------------------

std::string CrlSet::add(std::shared_ptr<const Crl> crl, const CasByName& known) {
    const auto named = known(crl->issuer());
    const auto signed_it =
        std::find_if(named.begin(), named.end(), [&](const X509Ptr& ca) { return crl->signed_by(*ca); });
    X509* const signer = signed_it != named.end() ? signed_it->get() : nullptr;
    std::vector<std::shared_ptr<const Crl>>& lists = by_issuer_[crl->issuer()];
    for (auto it = lists.begin(); signer != nullptr && it != lists.end();) {
        const bool rival = (*it)->same_scope(*crl) && (*it)->signed_by(*signer);
        if (rival && (*it)->is_newer_than(*crl)) return "is older than the one in force";
        if (rival && !crl->is_newer_than(**it)) return {};  // the same once more
        it = rival ? lists.erase(it) : std::next(it);
    }
    // Whose signer nobody knows yet waits for a path that brings it; not many, since any name can stand on a CRL.
    constexpr std::ptrdiff_t kMostWaiting = 8;
    const auto waits = [](const std::shared_ptr<const Crl>& list) { return list->waits_for_signer(); };
    if (signer == nullptr && std::count_if(lists.begin(), lists.end(), waits) >= kMostWaiting) {
        lists.erase(std::find_if(lists.begin(), lists.end(), waits));
    }
    lists.push_back(std::move(crl));
    const bool impostor = signer == nullptr && !named.empty();
    return impostor ? "is signed by none of the known CAs whose name it bears" : std::string();
}

void CrlSet::learn(const CasByName& known) const {
    for (const auto& [name, lists] : by_issuer_) {
        const auto waits = [](const auto& list) { return list->waits_for_signer(); };
        if (std::none_of(lists.begin(), lists.end(), waits)) continue;
        const auto named = known(name);
        for (const auto& list : lists) {
            for (auto ca = named.begin(); ca != named.end() && waits(list); ++ca) list->signed_by(**ca);
        }
    }
}

// Whether a list in this issuer's name is there that nobody is known to have signed, or that could not be read.
bool CrlSet::only_unusable(const std::string& issuer) const {
    if (unusable_.contains(issuer)) return true;
    const auto found = by_issuer_.find(issuer);
    return found != by_issuer_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [](const std::shared_ptr<const Crl>& list) { return list->waits_for_signer(); });
}

std::map<std::string, std::optional<std::int64_t>> CrlSet::next_updates() const {
    std::map<std::string, std::optional<std::int64_t>> out;
    for (const auto& [name, lists] : by_issuer_) {
        for (const auto& crl : lists) {
            const auto [known, is_new] = out.emplace(crl->issuer_text(), crl->next_update());
            if (!is_new && known->second && (!crl->next_update() || *crl->next_update() < *known->second)) {
                known->second = crl->next_update();
            }
        }
    }
    return out;
}

std::size_t CrlSet::size() const {
    std::size_t n = 0;
    for (const auto& [name, lists] : by_issuer_) n += lists.size();
    return n;
}

CrlStatus CrlSet::check(const X509& certificate, X509& issuer, bool is_ca, const std::vector<X509*>& signers,
                        const CrlRules& rules, std::int64_t now, std::vector<std::int64_t>& edges,
                        std::string& detail) const {
    const std::string issuer_name = read_name(*X509_get_subject_name(&issuer)).canonical;
    const std::vector<DistributionPoint> points = distribution_points(certificate);
    std::vector<const Crl*> usable;
    const auto use = [&](const Crl& crl) {
        edges.push_back(crl.this_update());
        if (crl.this_update() <= now) usable.push_back(&crl);
    };
    if (const auto found = by_issuer_.find(issuer_name); found != by_issuer_.end()) {
        std::vector<std::string> names;
        for (const DistributionPoint& point : points) names.insert(names.end(), point.names.begin(), point.names.end());
        for (const auto& crl : found->second) {
            if (crl->covers(is_ca, names) && crl->signed_by(issuer)) use(*crl);
        }
    }
    // RFC 5280 6.3.3 (b)(1): another one's list counts where the certificate itself points to it, and it is indirect.
    for (const DistributionPoint& point : points) {
        for (const std::string& name : point.crl_issuers) {
            const auto found = name == issuer_name ? by_issuer_.end() : by_issuer_.find(name);
            if (found == by_issuer_.end()) continue;
            for (const auto& crl : found->second) {
                const bool genuine =
                    crl->is_indirect() && crl->covers(is_ca, point.names) &&
                    std::any_of(signers.begin(), signers.end(), [&](X509* signer) {
                        return read_name(*X509_get_subject_name(signer)).canonical == name && crl->signed_by(*signer);
                    });
                if (genuine) use(*crl);
            }
        }
    }
    const std::string serial = serial_key(*X509_get0_serialNumber(&certificate));
    bool complete = false;
    bool fresh = false;
    for (const Crl* base : usable) {
        if (base->is_delta()) continue;
        const Crl* delta = nullptr;
        for (const Crl* other : usable) {
            if (other->completes(*base) && other->issuer() == base->issuer() &&
                (delta == nullptr || other->is_newer_than(*delta)))
                delta = other;
        }
        const Crl::Entry changed = delta != nullptr ? delta->entry(serial, issuer_name) : Crl::Entry::kAbsent;
        const bool revoked =
            changed == Crl::Entry::kRevoked ||
            (changed == Crl::Entry::kAbsent && base->entry(serial, issuer_name) == Crl::Entry::kRevoked);
        // A list that is out of date still revokes what it lists.
        if (revoked) {
            detail = "by the CRL of \"" + base->issuer_text() + "\"";
            return CrlStatus::kRevoked;
        }
        if (!base->covers_all_reasons()) continue;
        complete = true;
        const std::int64_t forgiven = rules.stale_after.value_or(0);
        const std::int64_t until = !base->next_update()    ? (forgiven == INT64_MAX ? INT64_MAX : INT64_MIN)
                                   : forgiven == INT64_MAX ? INT64_MAX
                                                           : *base->next_update() + forgiven;
        if (until != INT64_MAX && until != INT64_MIN) edges.push_back(until + 1);
        fresh = fresh || now <= until;
    }
    if (!complete && rules.stale_after.value_or(0) != INT64_MAX && only_unusable(issuer_name)) {
        detail = "the CRL of \"" + read_name(*X509_get_subject_name(&issuer)).text() + "\" at hand cannot be used";
        return CrlStatus::kStale;
    }
    if (!complete && rules.required.value_or(false)) {
        detail =
            "no CRL of \"" + read_name(*X509_get_subject_name(&issuer)).text() + "\" is at hand, and MTLSCRL required";
        return CrlStatus::kUnknown;
    }
    if (complete && !fresh) {
        detail = "the CRL of \"" + read_name(*X509_get_subject_name(&issuer)).text() + "\" is past its nextUpdate";
        return CrlStatus::kStale;
    }
    return CrlStatus::kGood;
}

}  // namespace mtls
