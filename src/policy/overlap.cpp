#include "mtls_authz/policy/overlap.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"

namespace mtls {

namespace {

using Selectors = std::vector<Selector>;

// Attributes that many certificates of an organization share: they name nothing by themselves.
bool is_shared(std::string_view oid) {
    static constexpr std::string_view kShared[] = {
        "2.5.4.6", "2.5.4.7", "2.5.4.8", "2.5.4.9", "2.5.4.10", "2.5.4.11", "0.9.2342.19200300.100.1.25"};
    return std::find(std::begin(kShared), std::end(kShared), oid) != std::end(kShared);
}

bool names_something(const Selector& selector) {
    switch (selector.field()) {
        case Field::kSubjectAttribute:
            return !is_shared(selector.oid());
        case Field::kIssuer:
        case Field::kIssuerAttribute:
        case Field::kIssuerSpki:
        case Field::kEku:
        case Field::kPolicy:
        case Field::kKey:
        case Field::kQcRole:
        case Field::kQcType:
        case Field::kExtension:
            return false;
        default:
            return true;
    }
}

// Whether certificates commonly have several values of this type at once.
bool is_list(Field field) {
    return field == Field::kEku || field == Field::kPolicy || field == Field::kQcRole || field == Field::kQcType ||
           field == Field::kExtension;
}

// The type of value that a selector asks for; borrows the selector's OID.
using Type = std::pair<Field, std::string_view>;
Type type_of(const Selector& selector) { return {selector.field(), selector.oid()}; }

Selectors positive(const Conditions& conditions) {
    Selectors out;
    for (const Selector& selector : conditions) {
        if (!selector.negated()) out.push_back(selector);
    }
    return out;
}

// Orders whole names first, then selectors that match fewer values: a wildcard may match the value that a selector
// before it added.
bool is_narrower(const Selector& a, const Selector& b) {
    const auto rank = [](const Selector& s) { return s.field() == Field::kSubject || s.field() == Field::kIssuer; };
    if (rank(a) != rank(b)) return rank(a);
    if (a.is_exact() != b.is_exact()) return a.is_exact();
    const auto mine = a.network_prefix(), theirs = b.network_prefix();
    if (mine && theirs) return mine->length > theirs->length;
    return a.text().size() > b.text().size();
}

// Whether the smallest certificate with what both lines ask for fits both.
bool can_fit_both(const Conditions& a, const Conditions& b) {
    for (const Selector& mine : a) {
        const auto excludes = [&mine](const Selector& theirs) { return mine.contradicts(theirs); };
        if (std::any_of(b.begin(), b.end(), excludes)) return false;
    }
    struct Wanted {
        Selector selector;
        bool is_first;
    };
    std::vector<Wanted> wanted;
    for (const Selector& selector : positive(a)) wanted.push_back({selector, true});
    for (const Selector& selector : positive(b)) wanted.push_back({selector, false});
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const Wanted& x, const Wanted& y) { return is_narrower(x.selector, y.selector); });
    CertificateFacts specimen;
    std::map<Type, bool> given_by_first;
    for (const auto& [selector, is_first] : wanted) {
        if (selector.field() == Field::kKey || selector.field() == Field::kIssuerSpki) continue;
        const bool is_added = selector.field() == Field::kPolicy ||
                              selector.test(specimen, nullptr, Repeats::kMustBeSingle) != Answer::kYes;
        if (!is_added) continue;
        const auto [entry, is_new] = given_by_first.emplace(type_of(selector), is_first);
        if (!is_new && entry->second != is_first && !is_list(selector.field())) return false;
        if (!selector.add_specimen(specimen)) return false;
    }
    const auto holds = [&specimen](const Selector& selector) {
        return selector.field() == Field::kKey ||
               selector.test(specimen, nullptr, Repeats::kMustBeSingle) == Answer::kYes;
    };
    return std::all_of(a.begin(), a.end(), holds) && std::all_of(b.begin(), b.end(), holds);
}

std::string text_of_both(const Identity& a, const Identity& b) {
    std::string out = a.selectors.text();
    const auto here = a.selectors.texts();
    for (const Selector& selector : b.selectors) {
        if (!here.contains(std::string(selector.text()))) out += " " + config_quote(selector.text());
    }
    return out.empty() ? out : out.substr(1);
}

bool counts_under(const Identity& identity, const Anchor& anchor) {
    return !identity.anchor || *identity.anchor == anchor.file;
}

struct Line {
    const Partner* partner;
    Identity identity;
};

bool share_an_anchor(const Line& a, const Line& b) {
    if (a.partner->anchors->uses_mod_ssl && b.partner->anchors->uses_mod_ssl) return true;
    std::multimap<std::string, std::string_view> cas;  // with the trust domains that they are valid for
    for (const Anchor& anchor : a.partner->anchors->anchors) {
        if (!counts_under(a.identity, anchor)) continue;
        for (const AnchorCertificate& c : anchor.certificates) cas.emplace(c.ca_id(), anchor.trust_domain);
    }
    for (const Anchor& anchor : b.partner->anchors->anchors) {
        if (!counts_under(b.identity, anchor)) continue;
        for (const AnchorCertificate& c : anchor.certificates) {
            const auto [first, last] = cas.equal_range(c.ca_id());
            const bool shared = std::any_of(first, last, [&](const auto& other) {
                return other.second.empty() || anchor.trust_domain.empty() || other.second == anchor.trust_domain;
            });
            if (shared) return true;
        }
    }
    return false;
}

class OverlapFinder {
public:
    explicit OverlapFinder(const Policy& policy) : policy_(policy) {}

    std::vector<Overlap> run() {
        collect();
        for (Id id = 0; id < ids_.size(); ++id) compare_with_index(id);
        for (auto& [ca, members] : members_) compare_members(members);
        std::vector<Overlap> out;
        for (auto& [id, found] : found_) out.push_back(std::move(found.overlap));
        return out;
    }

private:
    using Id = std::uint32_t;  // index of a line among all of the policy, as Policy::Match::order

    struct Place {
        const Partner* partner;
        std::uint32_t number;  // of the line among the partner's
    };
    // Lines with the same key, linked by next_ in the order in which they were added.
    struct Chain {
        Id first, last;
    };
    // Lines that ask for the same types of values.
    struct Group {
        std::vector<Type> exact;  // types for which each line asks for one exact value; sorted
        std::vector<Type> all;    // sorted
        bool names_something = false;
        std::vector<Id> lines;
        std::vector<std::size_t> values;  // for each line, the hashes of its exact values, as many as `exact`
    };

    struct Found {
        Id id;  // of the other line
        Overlap overlap;
    };

    Line line(Id id) const { return {ids_[id].partner, ids_[id].partner->identities.at(ids_[id].number)}; }

    static std::set<std::string> cas_in(const AnchorSet& anchors) {
        std::set<std::string> out;
        if (anchors.uses_mod_ssl) out.insert("");
        for (const Anchor& anchor : anchors.anchors) {
            for (const AnchorCertificate& c : anchor.certificates) out.insert(c.ca_id());
        }
        return out;
    }

    void collect() {
        std::map<std::string, std::vector<const Partner*>> partners;
        std::unordered_map<const AnchorSet*, std::set<std::string>> cas_of;
        for (const Partner& partner : policy_.partners()) {
            // Many partners share the default anchors.
            const auto [entry, is_new] = cas_of.try_emplace(&*partner.anchors);
            if (is_new) entry->second = cas_in(*partner.anchors);
            for (const std::string& ca : entry->second) partners[ca].push_back(&partner);
            const std::size_t end = partner.first_identity + partner.identities.size();
            if (ids_.size() < end) ids_.resize(end);
            for (std::uint32_t i = 0; i < partner.identities.size(); ++i)
                ids_[partner.first_identity + i] = {&partner, i};
        }
        is_member_.resize(ids_.size());
        next_.resize(ids_.size(), kNone);
        chain_of_.resize(ids_.size());
        by_key_.reserve(ids_.size());
        // CAs with the same partners, as those of the default anchors, are compared once.
        std::set<std::vector<const Partner*>> seen;
        for (auto& [ca, all] : partners) {
            if (all.size() > 1 && seen.insert(all).second) add_members(ca, all);
        }
    }

    void add_members(const std::string& ca, const std::vector<const Partner*>& partners) {
        std::vector<Id>& members = members_[ca];
        for (const Partner* partner : partners) {
            for (std::uint32_t i = 0; i < partner->identities.size(); ++i) {
                const Id id = partner->first_identity + i;
                members.push_back(id);
                const Identity identity = partner->identities.at(i);
                if (!identity.any && !is_member_[id]) add_key(identity, id);
                if (identity.any) any_by_ca_[ca].push_back(id);
                is_member_[id] = true;
            }
        }
    }

    // The records of a line's selectors, each once, in an order that is the same for all lines.
    static std::vector<std::string_view> records_in(const Identity& identity) {
        std::vector<std::string_view> out;
        for (auto at = identity.selectors.begin(); at != identity.selectors.end(); ++at) out.push_back(at.record());
        std::sort(out.begin(), out.end());
        out.erase(std::unique(out.begin(), out.end()), out.end());
        return out;
    }
    // Records carry their lengths, so different lists have different keys.
    static std::string key_of(const std::vector<std::string_view>& records) {
        std::string out;
        for (const std::string_view record : records) out += record;
        return out;
    }

    void add_key(const Identity& identity, Id id) {
        const auto records = records_in(identity);
        const std::string_view key = records.size() == 1 ? records.front() : keys_.emplace_back(key_of(records));
        Chain& chain = by_key_.try_emplace(key, Chain{id, id}).first->second;
        chain_of_[id] = &chain;
        if (chain.last == id) return;
        next_[chain.last] = id;
        chain.last = id;
    }

    bool report(Id id, Id other) {
        const Line mine = line(id), theirs = line(other);
        if (mine.partner == theirs.partner || !share_an_anchor(mine, theirs)) return false;
        const auto here = mine.identity.selectors.texts(), there = theirs.identity.selectors.texts();
        const bool is_covered = std::includes(here.begin(), here.end(), there.begin(), there.end());
        found_.emplace(id, Found{other,
                                 {mine.partner, mine.identity, theirs.partner, theirs.identity.where, is_covered,
                                  text_of_both(mine.identity, theirs.identity)}});
        return true;
    }

    bool is_reported_with(Id id, Id other) const {
        const auto found = found_.find(id);
        return found != found_.end() && found->second.id == other;
    }

    bool report_one_of(Id id, const std::vector<Id>& others) {
        for (std::size_t i = 0; i < std::min(others.size(), kMostEqual); ++i) {
            if (report(id, others[i])) return true;
        }
        return false;
    }

    bool report_one_of(Id id, const Chain& others) {
        Id other = others.first;
        for (std::size_t i = 0; i < kMostEqual && other != kNone; ++i, other = next_[other]) {
            if (report(id, other)) return true;
        }
        return false;
    }

    // Finds a line of another partner whose selectors this line contains, or that matches what this line asks for.
    void compare_with_index(Id id) {
        if (!is_member_[id]) return;
        const Line mine = line(id);
        for (const Anchor& anchor : mine.partner->anchors->anchors) {
            if (any_by_ca_.empty()) break;
            for (const AnchorCertificate& c : anchor.certificates) {
                const auto found = any_by_ca_.find(c.ca_id());
                if (found != any_by_ca_.end() && report_one_of(id, found->second)) return;
            }
        }
        if (mine.identity.any) return;
        auto records = records_in(mine.identity);
        if (records.size() == 1) records.clear();  // that is the key of the line itself
        for (const std::string_view record : records) {
            const auto found = by_key_.find(record);
            if (found != by_key_.end() && report_one_of(id, found->second)) return;
        }
        if (report_one_of(id, *chain_of_[id])) return;
        constexpr std::size_t kMostScanned = 1000;
        if (policy_.worst_scan().lines > kMostScanned) return;  // too many lines without an index
        CertificateFacts specimen;
        for (const Selector& selector : mine.identity.selectors) {
            if (!selector.negated() && !selector.add_specimen(specimen)) return;
        }
        if (!mine.identity.selectors.hold(specimen, nullptr)) return;
        for (const Policy::Match& match : policy_.matching_identities(specimen)) {
            if (match.partner == mine.partner || !can_fit_both(mine.identity.selectors, match.identity.selectors))
                continue;
            if (report(id, match.order)) return;
        }
    }

    // What a line asks for of one type; `value`: the hash of its one exact value, if it asks for that.
    struct Asked {
        Type type;
        std::optional<std::size_t> value;
    };
    // Sorted by type, each once. `subject:` asks for its attributes, too.
    std::vector<Asked> describe(const Conditions& conditions) {
        const std::hash<std::string_view> hash;
        std::vector<Asked> out;
        for (const Selector& selector : conditions) {
            if (selector.negated()) continue;
            const Type type = type_of(selector);
            if (is_list(selector.field()) || selector.field() == Field::kIssuerSpki) {
                out.push_back({type, std::nullopt});
            } else if (selector.field() == Field::kSubjectAttribute) {
                out.push_back({type, hash(canonical_of_text(selector.operand()))});
            } else {
                out.push_back({type, selector.is_exact() ? std::optional(hash(selector.operand())) : std::nullopt});
            }
            if (selector.field() != Field::kSubject) continue;
            const auto name = NamePattern::parse(selector.text().substr(selector.text().find(':') + 1));
            if (!name) continue;
            for (const NameAttribute& attribute : name.value().name.attributes) {
                const std::string_view oid = *oids_.insert(attribute.oid).first;
                out.push_back({{Field::kSubjectAttribute, oid}, hash(attribute.canonical)});
            }
        }
        std::sort(out.begin(), out.end(), [](const Asked& x, const Asked& y) { return x.type < y.type; });
        for (std::size_t i = 1; i < out.size(); ++i) {
            if (out[i].type == out[i - 1].type) out[i].value = out[i - 1].value = std::nullopt;
        }
        const auto is_same = [](const Asked& x, const Asked& y) { return x.type == y.type; };
        out.erase(std::unique(out.begin(), out.end(), is_same), out.end());
        return out;
    }

    // Lines with the same types of values, and with one exact value of the same ones.
    std::vector<Group> groups_of(const std::vector<Id>& members) {
        constexpr std::size_t kMostGroups = 64;
        std::map<std::pair<std::vector<Type>, std::vector<Type>>, Group> groups;
        std::pair<std::vector<Type>, std::vector<Type>> types;  // all, and those of exact values
        std::vector<std::size_t> values;
        for (const Id id : members) {
            if (found_.contains(id)) continue;
            const Line one = line(id);
            if (one.identity.any) continue;
            types.first.clear();
            types.second.clear();
            values.clear();
            for (const auto& [type, value] : describe(one.identity.selectors)) {
                types.first.push_back(type);
                if (!value) continue;
                types.second.push_back(type);
                values.push_back(*value);
            }
            auto found = groups.find(types);
            if (found == groups.end()) {
                if (groups.size() == kMostGroups) continue;
                found = groups.emplace(types, Group{types.second, types.first, false, {}, {}}).first;
                const auto wanted = positive(one.identity.selectors);
                found->second.names_something = std::any_of(wanted.begin(), wanted.end(), names_something);
            }
            found->second.lines.push_back(id);
            found->second.values.insert(found->second.values.end(), values.begin(), values.end());
        }
        std::vector<Group> out;
        for (auto& [key, group] : groups) out.push_back(std::move(group));
        return out;
    }

    void compare_members(const std::vector<Id>& members) {
        const std::vector<Group> groups = groups_of(members);
        for (std::size_t i = 0; i < groups.size(); ++i) {
            for (std::size_t k = 0; k <= i; ++k) {
                // Reports the line of the smaller group, which overlaps with many of the other.
                const bool is_smaller = groups[i].lines.size() <= groups[k].lines.size();
                compare_groups(groups[is_smaller ? i : k], groups[is_smaller ? k : i]);
            }
        }
    }

    static std::vector<Type> common(const std::vector<Type>& a, const std::vector<Type>& b) {
        std::vector<Type> out;
        std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
        return out;
    }

    static std::size_t value_of(const Group& group, std::size_t number, const std::vector<Type>& types) {
        std::size_t out = 0;
        for (const Type& type : types) {
            const auto at = std::lower_bound(group.exact.begin(), group.exact.end(), type) - group.exact.begin();
            constexpr std::size_t kOddFactor = 0x9e3779b97f4a7c15;
            out = out * kOddFactor + group.values[number * group.exact.size() + static_cast<std::size_t>(at)];
        }
        return out;
    }

    struct Valued {
        std::size_t value;
        Id id;
    };
    struct ValueLess {
        bool operator()(const Valued& a, const Valued& b) const { return a.value < b.value; }
    };
    // In a group by itself, such a line has none to be compared with.
    static void leave_out_single_values(std::vector<Valued>& sorted) {
        auto end = sorted.begin();
        for (auto first = sorted.begin(), last = first; first != sorted.end(); first = last) {
            last = std::find_if(first, sorted.end(), [&](const Valued& other) { return other.value != first->value; });
            if (last - first > 1) end = std::copy(first, last, end);
        }
        sorted.erase(end, sorted.end());
    }

    // Compares only lines with equal exact values: others do not overlap.
    void compare_groups(const Group& few, const Group& many) {
        if (few.names_something && many.names_something && common(few.all, many.all).empty()) return;
        const std::vector<Type> both = common(few.exact, many.exact);
        std::vector<Valued> by_value;
        by_value.reserve(many.lines.size());
        for (std::size_t i = 0; i < many.lines.size(); ++i)
            by_value.push_back({value_of(many, i, both), many.lines[i]});
        std::stable_sort(by_value.begin(), by_value.end(), ValueLess());
        if (&few == &many) leave_out_single_values(by_value);
        for (std::size_t i = 0; i < few.lines.size() && compared_ < kMostCompared && !by_value.empty(); ++i) {
            const auto [first, last] =
                std::equal_range(by_value.begin(), by_value.end(), Valued{value_of(few, i, both), 0}, ValueLess());
            compare_line(few.lines[i], {first, last}, few.lines.size() == many.lines.size());
        }
    }

    // `by_place`: reports the later one of two lines.
    void compare_line(Id id, std::span<const Valued> candidates, bool by_place) {
        constexpr int kMostOfOne = 50;
        if (candidates.empty()) return;
        int compared = 0;
        const Line mine = line(id);
        for (const auto& [value, other] : candidates) {
            if (found_.contains(id)) return;
            if (++compared > kMostOfOne || ++compared_ > kMostCompared) return;
            if (ids_[other].partner == mine.partner || is_reported_with(other, id)) continue;
            if (!can_fit_both(mine.identity.selectors, line(other).identity.selectors)) continue;
            if (by_place && other > id) {
                report(other, id);
            } else {
                report(id, other);
            }
        }
    }

    static constexpr std::size_t kMostCompared = 300'000, kMostEqual = 100;
    static constexpr Id kNone = ~Id{0};

    const Policy& policy_;
    std::vector<Place> ids_;
    std::map<std::string, std::vector<Id>> members_;  // by CA that several partners have; "" for mod_ssl
    std::vector<bool> is_member_;
    std::unordered_map<std::string_view, Chain> by_key_;  // by the records of a line's selectors
    std::vector<const Chain*> chain_of_;                  // of a line's own key
    std::vector<Id> next_;                                // of a chain; kNone at its end
    std::deque<std::string> keys_;                        // of lines with several selectors
    std::set<std::string> oids_;                          // of attributes of names
    std::map<std::string, std::vector<Id>> any_by_ca_;
    std::map<Id, Found> found_;
    std::size_t compared_ = 0;
};

}  // namespace

std::vector<Overlap> find_overlaps(const Policy& policy) { return OverlapFinder(policy).run(); }

}  // namespace mtls
