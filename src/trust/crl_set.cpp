#include <algorithm>

#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

CasByName by_name(const std::vector<X509Ptr>& certificates) {
    return [&certificates](const std::string& name) {
        std::vector<X509Ptr> out;
        for (const X509Ptr& c : certificates) {
            if (read_name(*X509_get_subject_name(c.get())).canonical == name) out.push_back(share(*c));
        }
        return out;
    };
}

std::string CrlSet::add(std::shared_ptr<const Crl> crl, const CasByName& cas, std::int64_t now) {
    const auto named = cas(crl->issuer());
    std::vector<std::shared_ptr<const Crl>>& lists = by_issuer_[crl->issuer()];
    lists.reserve(lists.size() + 1);  // so that push_back() cannot throw after lists were erased
    bool is_signed = false, may = false;
    for (const X509Ptr& ca : named) {
        const bool signed_it = crl->signed_by(*ca);
        is_signed = is_signed || signed_it;
        may = may || (signed_it && may_sign_crls(*ca));
    }
    const auto is_rival = [&](const std::shared_ptr<const Crl>& list) {
        return list->same_scope(*crl) && list->is_delta() == crl->is_delta();
    };
    for (const auto& list : lists) {
        if (list->is_same_as(*crl)) return {};
        crl->signed_by_signers_of(*list);  // also of a CA that only clients send
        if (!is_rival(list)) continue;
        for (const X509Ptr& ca : named) list->signed_by(*ca);
    }
    // A list replaces another one only if all signers of that one signed it: one of them may be a second key, which
    // somebody made to that one's signature.
    for (const auto& list : lists) {
        if (is_rival(list) && list->this_update() <= now && list->supersedes(*crl) && list->signed_by_signers_of(*crl))
            return std::string(kIsOlder);
    }
    // A list with a thisUpdate in the future replaces only another such list.
    std::erase_if(lists, [&](const auto& list) {
        return is_rival(list) && crl->signed_by_signers_of(*list) && crl->supersedes(*list) &&
               (crl->this_update() <= now || list->this_update() > now);
    });
    const bool has_signer = !crl->is_unverified();
    const auto is_unverified = [](const std::shared_ptr<const Crl>& list) { return list->is_unverified(); };
    const auto unverified = std::count_if(lists.begin(), lists.end(), is_unverified);
    if (!has_signer && static_cast<std::size_t>(unverified) >= kMostUnverified) return std::string(kTooMany);
    lists.push_back(std::move(crl));
    if (!has_signer && !named.empty()) {
        return "is signed by none of the known CAs whose name it bears; if one of them has a new key, add its "
               "certificate with MTLSIntermediate";
    }
    return is_signed && !may ? "is signed by a CA whose keyUsage has no cRLSign" : "";
}

bool CrlSet::has_list_by(const X509& ca, const std::string& issuer) const {
    const auto found = by_issuer_.find(issuer);
    return found != by_issuer_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                    [&](const auto& list) { return list->signed_by(ca); });
}

bool CrlSet::holds(const Crl& crl) const {
    const auto found = by_issuer_.find(crl.issuer());
    return found != by_issuer_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                    [&](const auto& list) { return list.get() == &crl; });
}

bool CrlSet::drop_unverified(const Crl& crl) {
    const auto found = by_issuer_.find(crl.issuer());
    if (found == by_issuer_.end() || !crl.is_unverified()) return false;
    return std::erase_if(found->second, [&](const auto& list) { return list.get() == &crl; }) > 0;
}

void CrlSet::verify_signers(const CasByName& cas) const {
    for (const auto& [name, lists] : by_issuer_) {
        const auto is_unverified = [](const auto& list) { return list->is_unverified(); };
        if (std::none_of(lists.begin(), lists.end(), is_unverified)) continue;
        const auto named = cas(name);
        for (const auto& list : lists) {
            for (auto ca = named.begin(); ca != named.end() && is_unverified(list); ++ca) list->signed_by(**ca);
        }
    }
}

std::map<std::string, std::optional<std::int64_t>> CrlSet::next_updates() const {
    std::map<std::string, std::optional<std::int64_t>> out;
    for (const auto& [name, lists] : by_issuer_) {
        for (const auto& crl : lists) {
            const auto [entry, is_new] = out.emplace(crl->issuer_text(), crl->next_update());
            if (!is_new && entry->second && (!crl->next_update() || *crl->next_update() < *entry->second)) {
                entry->second = crl->next_update();
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

// ---- one certificate --------------------------------------------------------------------------------------------

class CrlQuestion {
public:
    CrlQuestion(const CrlSets& sets, const X509& certificate, const CrlSigners& signers, const CrlRules& rules,
                std::int64_t now, std::vector<std::int64_t>& edges)
        : subject_(certificate), signers_(signers), forgiven_(rules.stale_after.value_or(0)), now_(now), edges_(edges) {
        std::set<std::string> issuers = {subject_.issuer};
        for (const CrlSubject::Point& point : subject_.points) {
            if (point.crl_issuers) issuers.insert(point.crl_issuers->begin(), point.crl_issuers->end());
        }
        for (const CrlSet* set : sets) {
            for (const std::string& issuer : issuers) gather(*set, issuer);
        }
        // A complete list replaces a delta only while it is in force itself; add() may have removed the delta too
        // early.
        drop_superseded([](const Usable& list, const Usable& by) {
            return list.list->is_delta() == by.list->is_delta() && by.list->supersedes(*list.list);
        });
        drop_superseded([](const Usable& list, const Usable& by) { return by.list->supersedes(*list.list); });
        // A newer delta and a complete list that it applies to together contain all entries of an older delta.
        const std::vector<Usable> all = usable_;
        drop_superseded([&all](const Usable& list, const Usable& by) {
            return list.list->is_delta() && by.list->same_scope(*list.list) && by.list->is_newer_than(*list.list) &&
                   std::any_of(all.begin(), all.end(), [&](const Usable& base) {
                       return base.key == by.key && by.list->completes(*base.list);
                   });
        });
    }

    CrlStatus answer(bool required, std::string& detail) const {
        unsigned said = 0;
        unsigned fresh = 0;
        bool is_undated = true;  // the lists that are not fresh have no nextUpdate
        bool is_delta = true;    // those are deltas
        for (const Usable& one : usable_) {
            // A stale list still revokes what it lists; so does a delta without its base.
            if (one.list->entry(subject_) == Crl::Entry::kRevoked && !is_taken_back(one)) {
                detail = "by the CRL of \"" + one.list->issuer_text() + "\"";
                return CrlStatus::kRevoked;
            }
            if (one.list->is_delta()) continue;
            said |= one.reasons;
            const Crl* const late = late_list(one);
            if (late == nullptr) fresh |= one.reasons;
            if (late == nullptr || one.reasons == 0) continue;
            is_undated = is_undated && !late->next_update();
            is_delta = is_delta && late->is_delta();
        }
        const std::string of_issuer = "of \"" + subject_.issuer_text + "\" ";
        if ((said & ~fresh) != 0) {
            detail = std::string(is_delta ? "the delta CRL " : "the CRL ") + of_issuer +
                     (is_undated ? "has no nextUpdate" : "is past its nextUpdate");
            return CrlStatus::kStale;
        }
        if (fresh == Crl::kAllReasons) return CrlStatus::kGood;
        if (!unusable_.empty() && forgiven_ != INT64_MAX) {
            detail = unusable_;
            return CrlStatus::kStale;
        }
        if (!required) return CrlStatus::kGood;
        detail = fresh != 0      ? "the CRLs " + of_issuer + "at hand are not about all reasons of revocation"
                 : is_of_future_ ? "the CRL " + of_issuer + "is not used before its thisUpdate"
                 : subject_.has_foreign_crl_issuers_only()
                     ? "no CRL of the issuer that the certificate's distribution point names is at hand"
                     : "no CRL " + of_issuer + "that is about this certificate is at hand";
        detail += ", and MTLSCRL required";
        return CrlStatus::kUnknown;
    }

private:
    struct Usable {
        const Crl* list;
        std::string key;
        unsigned reasons;
    };

    void gather(const CrlSet& set, const std::string& issuer) {
        if (const auto found = set.unusable_.find(issuer); found != set.unusable_.end()) unusable_ = found->second;
        const auto lists = set.by_issuer_.find(issuer);
        if (lists != set.by_issuer_.end()) gather(lists->second, signers_.named(issuer));
    }

    void gather(const std::vector<std::shared_ptr<const Crl>>& lists, const std::vector<X509Ptr>& named) {
        for (const auto& list : lists) {
            std::map<std::string, CrlSigner> by_key;  // a list can have several, see CrlRecord
            for (const X509Ptr& signer : named) {
                const std::string key = list->signer_in(*signer);
                if (key.empty()) continue;
                CrlSigner& as = by_key.try_emplace(key, CrlSigner::kUnrelated).first->second;
                if (as != CrlSigner::kValid) as = std::max(as, signers_.classify(*signer));
            }
            CrlSigner best = CrlSigner::kUnrelated;
            for (const auto& [key, as] : by_key) {
                best = std::max(best, as);
                if (as >= CrlSigner::kInvalid) use(*list, key, as == CrlSigner::kValid);
            }
            const std::string fault = best == CrlSigner::kLacksCrlSign ? "its signer has no cRLSign in its keyUsage"
                                      : best == CrlSigner::kInvalid    ? "its signer is expired or revoked"
                                      : best == CrlSigner::kUnrelated  ? signers_.find_fault(*list)
                                                                       : "";
            if (fault.empty()) continue;
            unusable_ = "the CRL of \"" + list->issuer_text() + "\" at hand cannot be used: " + fault;
        }
    }

    void use(const Crl& list, const std::string& key, bool may_cover) {
        const auto reasons = list.reasons_about(subject_);
        if (!reasons) return;
        edges_.push_back(list.this_update());
        if (list.this_update() > now_) {
            is_of_future_ = true;
            return;
        }
        usable_.push_back({&list, key, may_cover ? *reasons : 0});
        const std::int64_t until = good_until(list);
        if (until != INT64_MAX && until != INT64_MIN) edges_.push_back(until + 1);
    }

    void drop_superseded(const auto& is_superseded) {
        const std::vector<Usable> all = usable_;
        std::erase_if(usable_, [&](const Usable& one) {
            return std::any_of(all.begin(), all.end(),
                               [&](const Usable& other) { return other.key == one.key && is_superseded(one, other); });
        });
    }

    std::int64_t good_until(const Crl& list) const {
        if (forgiven_ == INT64_MAX) return INT64_MAX;
        return list.next_update() ? *list.next_update() + forgiven_ : INT64_MIN;
    }

    bool is_late(const Crl& list) const { return good_until(list) < now_; }

    static bool completes(const Usable& delta, const Usable& base) {
        return delta.key == base.key && delta.list->completes(*base.list);
    }

    // A complete list, or the delta that completes it and says what has changed since, if that is past its nextUpdate.
    const Crl* late_list(const Usable& base) const {
        if (is_late(*base.list)) return base.list;
        const auto late = std::find_if(usable_.begin(), usable_.end(), [&](const Usable& delta) {
            return completes(delta, base) && is_late(*delta.list);
        });
        return late != usable_.end() ? late->list : nullptr;
    }

    bool is_taken_back(const Usable& base) const {
        return std::any_of(usable_.begin(), usable_.end(), [&](const Usable& delta) {
            return completes(delta, base) && !is_late(*delta.list) &&
                   delta.list->entry(subject_) == Crl::Entry::kRemoved;
        });
    }

    const CrlSubject subject_;
    const CrlSigners& signers_;
    const std::int64_t forgiven_;  // seconds after nextUpdate
    const std::int64_t now_;
    std::vector<std::int64_t>& edges_;
    std::vector<Usable> usable_;
    bool is_of_future_ = false;  // there is a list whose thisUpdate has not come
    std::string unusable_;       // why a list cannot be used; empty: all can be used
};

CrlStatus check_crls(const CrlSets& sets, const X509& certificate, const CrlSigners& signers, const CrlRules& rules,
                     std::int64_t now, std::vector<std::int64_t>& edges, std::string& detail) {
    const bool required = rules.required.value_or(false);
    const bool empty = std::all_of(sets.begin(), sets.end(), [](const CrlSet* set) { return set->empty(); });
    if (empty && !required) return CrlStatus::kGood;
    return CrlQuestion(sets, certificate, signers, rules, now, edges).answer(required, detail);
}

}  // namespace mtls
